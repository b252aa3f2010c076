"""`doctor`: names the broken link between a pod and its role, and the one thing to do next."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.commands.address import address_problems, host_and_port
from webhook.commands.doctor.chain import Asked, examine_account, examine_pod
from webhook.commands.doctor.flags import DOCTOR_FLAGS
from webhook.commands.doctor.gathering.role import role_of_file
from webhook.commands.doctor.installation import examine_installation
from webhook.commands.doctor.output import Diagnosis, as_json, print_text
from webhook.commands.doctor.target import Target, target_of
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.issuer.trust import trust_of
from webhook.diagnosis.doctor.step import PAGE
from webhook.diagnosis.doctor.symptoms import symptom_of
from webhook.errors import SettingsError

_ABOUT: Final = (
    "Without arguments, checks the installation: the configuration, the certificates, the endpoints, the webhook's "
    "rights, and a pod as a dry run. With a ServiceAccount, a pod or a workload (its newest pod), checks every link "
    "from there to the role: each step with a mark, what was found, and what to do next. It changes nothing, and never "
    "shows a token. What it cannot see from here it says, with the right that is missing. "
    "Exit code: 0 if no step failed; 1 if one did, or if none could be seen; 2 for wrong usage."
)
_USAGE: Final = "doctor [serviceaccount NS/NAME | pod NS/NAME | deployment NS/NAME] [flags]"


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(DOCTOR_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text(_USAGE, _ABOUT, DOCTOR_FLAGS))
        return 0
    values = parsed.values
    target = target_of(parsed.positionals, values["namespace"], parsed.problems)
    problems = parsed.problems + list(_problems(parsed, target))
    if problems:
        raise SettingsError(problems)
    symptom = symptom_of(values["symptom"]) if values["symptom"] else None
    asked = Asked(
        parsed=parsed,
        environ=environ,
        context=trust_of(values["ca_file"]),
        instead=host_and_port(values["connect_to"]),
        role=role_of_file(values["trust_policy"]) if values["trust_policy"] else None,
        symptom=symptom,
        now=datetime.now(UTC),
    )
    diagnosis = asyncio.run(_examine(asked, target))
    if values["symptom"] and symptom is None:
        said = f"no message that it knows has the words of --symptom; {PAGE} lists the messages"
        print(f"pod-identity-webhook doctor: {said}", file=sys.stderr)
    if values["output"] == "json":
        print(as_json(diagnosis), end="")
    else:
        print_text(diagnosis, values["color"], environ)
    return 1 if diagnosis.failed or not diagnosis.saw_something else 0


async def _examine(asked: Asked, target: Target | None) -> Diagnosis:
    if target is None:
        return await examine_installation(asked)
    if target.kind == "serviceaccount":
        return await examine_account(asked, target)
    return await examine_pod(asked, target)


def _problems(parsed: Parsed, target: Target | None) -> Sequence[str]:
    values = parsed.values
    problems = address_problems("--connect-to", values["connect_to"])
    if values["trust_policy"] and values["role_from_aws"]:
        problems.append("--trust-policy and --role-from-aws: give only one of them")
    if values["namespace"] and not is_dns_label(values["namespace"]):
        problems.append(f"--namespace: {values['namespace']!r} is not a namespace's name (DNS label)")
    if not is_dns_subdomain(values["webhook_configuration"]):
        problems.append(f"--webhook-configuration: {values['webhook_configuration']!r} is not an object's name")
    if target is None and not parsed.positionals:
        alone = [name for name in ("trust_policy", "role_from_aws", "assume_role") if values[name]]
        problems += [f"--{name.replace('_', '-')}: needs a ServiceAccount, a pod or a workload" for name in alone]
    return problems
