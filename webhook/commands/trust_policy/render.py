"""`trust-policy render`: writes the trust policy of a role."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.trust_policy.flags import RENDER_FLAGS
from webhook.commands.trust_policy.inputs import account_problems, audience_problems, issuer_problems, subject_of
from webhook.errors import SettingsError
from webhook.issuer.trust_policy.document import size_of
from webhook.issuer.trust_policy.lint.policy import MAX_QUOTA, size_finding
from webhook.issuer.trust_policy.provider import ProviderArn, without_scheme
from webhook.issuer.trust_policy.render import render_policy
from webhook.issuer.trust_policy.subjects import Subject
from webhook.issuer.trust_policy.terraform import as_terraform
from webhook.terminal import one_line

_ABOUT: Final = (
    "Prints the trust policy of a role: which ServiceAccounts may assume it, with StringEquals on the token's sub and "
    "aud. A pattern (NAMESPACE/*, */NAME) gets StringLike, and a warning on standard error. "
    "Exit code: 0 if the policy is printed; 1 if it is longer than IAM ever accepts; 2 for wrong usage."
)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(RENDER_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("trust-policy render [flags]", _ABOUT, RENDER_FLAGS))
        return 0
    provider, subjects = _checked(parsed)
    policy = render_policy(provider, subjects, parsed.values["audience"])
    if parsed.values["output"] == "terraform":
        print(as_terraform(policy), end="")
    else:
        print(json.dumps(policy, indent=2))
    for subject in subjects:
        if subject.is_pattern:
            _warn(_warning(subject))
    return _said_size(policy)


def _checked(parsed: Parsed) -> tuple[ProviderArn, list[Subject]]:
    """Returns what the flags ask for. Raises SettingsError."""
    values, problems = parsed.values, parsed.problems
    problems += [f"{word!r}: trust-policy render takes flags only" for word in parsed.positionals]
    problems += issuer_problems(values["issuer"])
    problems += account_problems(values["account"], values["partition"])
    if not values["account"]:
        problems.append("--account: set the account of the role, 12 digits")
    if not values["partition"]:
        problems.append("--partition: must not be empty")
    problems += audience_problems(values["audience"])
    if not values["service_account"]:
        problems.append("--service-account: set at least one NAMESPACE/NAME")
    read = [subject_of("--service-account", each, problems, patterns=True) for each in values["service_account"]]
    if problems:
        raise SettingsError(problems)
    provider = ProviderArn(values["partition"], values["account"], without_scheme(values["issuer"]))
    return provider, [subject for subject in dict.fromkeys(read) if subject is not None]


def _warning(subject: Subject) -> str:
    if subject.namespace == "*":
        return (
            f"warning: */{subject.name}: whoever can create a namespace, or this ServiceAccount in theirs, may assume "
            "the role; name the namespaces"
        )
    return f"warning: {subject.namespace}/*: every pod of the namespace may assume the role; name the ServiceAccounts"


def _said_size(policy: dict[str, Any]) -> int:
    size = size_of(policy)
    finding = size_finding("$", size)
    if finding is None:
        return 0
    is_too_long = size > MAX_QUOTA
    _warn(f"{'error' if is_too_long else 'warning'}: the policy {finding.what}; {finding.fix}")
    return 1 if is_too_long else 0


def _warn(text: str) -> None:
    print(f"pod-identity-webhook trust-policy render: {one_line(text)}", file=sys.stderr)
