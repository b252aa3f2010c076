"""Reports findings as Events on the owners of the pods, where `kubectl describe` shows them."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from webhook.cluster.api_errors import ApiError
from webhook.cluster.resource import Resource
from webhook.diagnosis.findings import Finding, by_owner
from webhook.terminal import one_line

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_NAMED: Final = 5
# The API server accepts at most 1,024 bytes.
_MAX_BYTES: Final = 1000


def events_of(findings: Sequence[Finding], now: datetime) -> list[dict[str, Any]]:
    """Returns a core/v1 Event for each owner and kind of finding. The name is the same each time, so that one stays."""
    made = []
    for owner, found in by_owner(findings):
        for kind, reason in (("missing", "PodIdentityMissing"), ("changed", "PodIdentityChanged")):
            group = [each for each in found if each.verdict.kind == kind]
            if not group:
                continue
            at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            digest = hashlib.sha256(f"{owner} {reason}".encode()).hexdigest()[:16]
            made.append(
                {
                    "apiVersion": "v1",
                    "kind": "Event",
                    "metadata": {"name": f"{owner.name[:200].rstrip('-.')}.{digest}", "namespace": owner.namespace},
                    "involvedObject": {
                        "apiVersion": group[0].reference.apiVersion,
                        "kind": owner.kind,
                        "namespace": owner.namespace,
                        "name": owner.name,
                        "uid": group[0].reference.uid,
                    },
                    "type": "Warning",
                    "reason": reason,
                    "message": _message(group),
                    "source": {"component": "pod-identity-webhook-audit"},
                    "firstTimestamp": at,
                    "lastTimestamp": at,
                    "count": 1,
                }
            )
    return made


async def report(client: "KubernetesClient", findings: Sequence[Finding], now: datetime) -> list[str]:
    """Creates the Events, or updates those of earlier audits; returns a line for each that was refused.

    Raises ClusterError if the API server does not answer.
    """
    problems: dict[str, None] = {}
    for event in events_of(findings, now):
        namespace, name = event["metadata"]["namespace"], event["metadata"]["name"]
        try:
            await _write(client, event, namespace, name)
        except ApiError as error:
            problems[f"no Event in namespace {namespace}: {error}"] = None
    return list(problems)


async def _write(client: "KubernetesClient", event: dict[str, Any], namespace: str, name: str) -> None:
    try:
        await client.write("create", Resource("events", namespace, is_granted_everywhere=True), event)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        changes = {key: event[key] for key in ("message", "lastTimestamp", "involvedObject")}
        await client.write("patch", Resource("events", namespace, name, is_granted_everywhere=True), changes)


def _message(findings: Sequence[Finding]) -> str:
    verdict = findings[0].verdict
    what = "lack their AWS role" if verdict.kind == "missing" else "carry other AWS credentials than they would get now"
    names = ", ".join(each.pod for each in findings[:_NAMED]) + (", ..." if len(findings) > _NAMED else "")
    reasons = ", ".join(sorted({each.verdict.reason for each in findings}))
    role = f"; a new pod gets {verdict.role}" if verdict.role and verdict.heals else ""
    # A role is an annotation's text, and whoever describes the owner reads the message on a terminal.
    message = one_line(f"{len(findings)} of its pods {what} ({names}): {reasons}{role}")
    return message.encode()[:_MAX_BYTES].decode(errors="ignore")
