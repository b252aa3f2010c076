"""`audit`: finds running pods that do not carry the credentials that they would get if they were created now."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.admission.settings import Settings
from webhook.cluster.client import KubernetesClient
from webhook.cluster.workloads import Workloads
from webhook.commands.audit.evict import evict, eviction_problems
from webhook.commands.audit.flags import AUDIT_FLAGS
from webhook.commands.audit.knowledge import access_of, namespace_of, read_known
from webhook.commands.audit.output import as_json, print_findings, summary
from webhook.commands.audit.progress import pods_progress
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.flags.to_settings import checked, settings_from
from webhook.commands.screen import screen, wrapped_notice
from webhook.diagnosis.audit import audit
from webhook.diagnosis.events import report
from webhook.diagnosis.findings import Finding
from webhook.diagnosis.verdict import Known
from webhook.terminal import one_line, wants_colour

_ABOUT: Final = (
    "Finds running pods that should have been injected and are not, and pods that carry another role, audience or "
    "session than they would get if they were created now. It asks the webhook's own code, with the cluster's "
    "ServiceAccounts, role mappings and namespaces, and with the flags of the running webhook. It changes nothing, "
    "unless --evict or --events say so. "
    "Exit code: 0 if there are no findings, or --evict has healed all; 1 if there are some, or access to the cluster "
    "fails; 2 for wrong usage, or if there is no such namespace."
)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(AUDIT_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("audit [-n NAMESPACE | -A] [flags]", _ABOUT, AUDIT_FLAGS))
        return 0
    _check_usage(parsed)
    checked(parsed, lambda: settings_from(parsed, Settings))
    colours = wants_colour(parsed.values["color"], environ)
    return asyncio.run(_run(parsed, environ, colours=colours))


def notice(text: str) -> None:
    """Prints a line to standard error; indented text is a command to copy, which is never wrapped."""
    line = f"pod-identity-webhook audit: {one_line(text)}"
    print(line if text.startswith(" ") else wrapped_notice(line), file=sys.stderr)


def _check_usage(parsed: Parsed) -> None:
    values = parsed.values
    parsed.problems += [f"{word!r}: audit takes flags only" for word in parsed.positionals]
    if values["namespace"] and values["all_namespaces"]:
        parsed.problems.append("--namespace: cannot be used with --all-namespaces")
    if values["namespace"] and not is_dns_label(values["namespace"]):
        parsed.problems.append(f"--namespace: {values['namespace']!r} is not a namespace's name (DNS label)")
    if not is_dns_subdomain(values["webhook_configuration"]):
        name = values["webhook_configuration"]
        parsed.problems.append(f"--webhook-configuration: {name!r} is not an object's name (DNS subdomain)")
    if not is_dns_label(values["config_map_namespace"]):
        parsed.problems.append(f"--config-map-namespace: {values['config_map_namespace']!r} is not a namespace's name")
    if not is_dns_subdomain(values["config_map_name"]):
        parsed.problems.append(f"--config-map-name: {values['config_map_name']!r} is not a ConfigMap's name")
    parsed.problems += eviction_problems(parsed)


async def _run(parsed: Parsed, environ: Mapping[str, str], *, colours: bool) -> int:
    """Audits, prints the findings, and evicts if the user asked for it. Raises WebhookError."""
    async with KubernetesClient(access_of(parsed)) as client:
        namespace = namespace_of(parsed, client)
        known = await read_known(client, parsed, namespace, notice)
        workloads = Workloads(client)
        findings, seen = await _findings(parsed, client, known, namespace, workloads, colours=colours)
        now = datetime.now(UTC)
        if parsed.values["output"] == "json":
            print(as_json(findings, now), end="")
        else:
            print_findings(findings, now, screen(parsed.values["color"], environ))
        sys.stdout.flush()
        notice(summary(findings, seen))
        if parsed.values["events"]:
            for problem in await report(client, findings, now):
                notice(problem)
        if parsed.values["evict"] and findings:
            return await evict(parsed, client, known, workloads, findings, notice)
    return 1 if findings else 0


async def _findings(
    parsed: Parsed, client: KubernetesClient, known: Known, namespace: str, workloads: Workloads, *, colours: bool
) -> tuple[list[Finding], int]:
    """Returns the findings, and how many pods were read. Raises ClusterError."""
    left_out = set(parsed.values["leave_out"])
    seen = 0
    with pods_progress(colours=colours) as show:

        def progress(read: int, remaining: int) -> None:
            nonlocal seen
            seen = read
            show(read, remaining)

        findings = await audit(client, known, namespace, workloads, progress)
    for problem in workloads.problems.values():
        notice(problem)
    return [each for each in findings if each.verdict.reason not in left_out], seen
