"""Compares the caBundle with the certificate that each replica really serves, as far as it can be reached from here."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from certs.renewal import ends_at
from webhook.cluster.installation import ServiceName
from webhook.commands.certs.facts import Facts, Served, called_name
from webhook.commands.certs.findings import findings
from webhook.commands.certs.flags import SHOW_FLAGS
from webhook.commands.certs.handshake import NotServed, ask
from webhook.commands.certs.reading import read_facts
from webhook.commands.doctor.gathering.metrics import address_of, port_of
from webhook.commands.flags.parsing import Parsed, parse
from webhook.diagnosis.doctor.facts import Certificate, Object, Replica
from webhook.errors import WebhookError

_EXPIRY: Final = 'pod_identity_webhook_certificate_expiry_timestamp_seconds{kind="serving"}'
_IN_SYNC: Final = "pod_identity_webhook_ca_bundle_in_sync"
_UNREAD: Final = "could not be read"


async def read_certificate(
    service: ServiceName,
    parsed: Parsed,
    environ: Mapping[str, str],
    pods: Sequence[Object],
    replicas: Sequence[Replica],
    now: datetime,
) -> Certificate:
    """Reads what `certs show` reads, and then the certificate of each replica. `parsed` are the flags of `doctor`."""
    words = [f"--namespace={service.namespace}", f"--service-name={service.name}"]
    words += [f"--webhook-configuration={parsed.values['webhook_configuration']}"]
    words += [f"--{name.replace('_', '-')}={parsed.values[name]}" for name in ("kubeconfig", "context", "kube_api")]
    try:
        facts = await read_facts(parse(SHOW_FLAGS, words, {}), environ)
    except WebhookError as error:
        return Certificate(unseen=[str(error)])
    bundles = [entry.bundle for entry in facts.entries or ()]
    served = await asyncio.gather(*(_served(pod, facts, bundles) for pod in pods if address_of(pod)))
    found, seen, unseen = [], [], []
    is_inside = bool(environ.get("KUBERNETES_SERVICE_HOST"))
    ends = {one.name: one.metrics.value.get(_EXPIRY) for one in replicas if one.metrics.value is not None}
    for pod, answer in zip([pod for pod in pods if address_of(pod)], served, strict=True):
        name = pod["metadata"]["name"]
        if isinstance(answer, str):
            unseen.append(f"replica {name}: {answer}")
            continue
        if not (is_inside or _is_ours(answer, facts, ends.get(name))):
            unseen.append(f"replica {name}: something else answers at {address_of(pod)} here, outside of its network")
            continue
        found += _findings(replace(facts, served=answer), now)
        seen.append(f"replica {name} serves a leaf until {ends_at(answer.leaf):%Y-%m-%d}")
    if not seen:
        found += _findings(facts, now)
        seen += _seen(facts)
    seen_by_metrics, bad = _by_metrics(replicas, now)
    if unseen:
        seen += seen_by_metrics
        found += bad
    unseen += [f"{what}: {reason}" for what, reason in facts.unread.items() if what != "served" or not seen]
    found = list(dict.fromkeys(found))
    return Certificate(findings=found, seen=seen, unseen=unseen, remedy=_remedy(facts, found[0] if found else ""))


async def _served(pod: Object, facts: Facts, bundles: Sequence[tuple[bytes, ...]]) -> Served | str:
    port = port_of(pod, "https", 8443)
    try:
        return await asyncio.to_thread(ask, address_of(pod), port, called_name(facts.service), bundles)
    except NotServed as error:
        return str(error)


def _is_ours(served: Served, facts: Facts, end: float | None) -> bool:
    """Whether a certificate is a replica's: outside of the cluster's network, any machine may have a pod's address.

    It is if a caBundle verifies it, if it is in the Secret, or if it ends when the replica's metrics say (`end`).
    """
    in_secret = facts.secret.certificate("leaf") if facts.secret is not None else None
    is_verified = any(not refusal for refusal in served.refusals.values())
    return is_verified or served.leaf == in_secret or ends_at(served.leaf).timestamp() == end


def _findings(facts: Facts, now: datetime) -> list[str]:
    """Returns the findings without those that only say that something could not be read."""
    return [text for text in findings(facts, now) if _UNREAD not in text]


def _seen(facts: Facts) -> Iterator[str]:
    """Yields what was compared without a handshake."""
    if facts.served is not None:
        yield f"{facts.address} serves a leaf until {ends_at(facts.served.leaf):%Y-%m-%d}"
    leaf = facts.secret.certificate("leaf") if facts.secret is not None else None
    if leaf is not None and facts.entries and facts.served is None:
        yield f"the leaf of the {facts.place}, until {ends_at(leaf):%Y-%m-%d}"


def _by_metrics(replicas: Sequence[Replica], now: datetime) -> tuple[list[str], list[str]]:
    """Returns what the replicas' metrics say of their certificates, and the faults among it."""
    seen, bad = [], []
    for replica in replicas:
        samples = replica.metrics.value or {}
        if _EXPIRY not in samples:
            continue
        end = datetime.fromtimestamp(samples[_EXPIRY], now.tzinfo)
        if end <= now:
            bad.append(f"the served leaf has expired (metrics of replica {replica.name})")
        if samples.get(_IN_SYNC) == 0:
            bad.append(f"replica {replica.name} says that the caBundle is not right (its metrics)")
        # Without this metric, nobody compared the leaf with the caBundle.
        if samples.get(_IN_SYNC) == 1:
            seen.append(f"replica {replica.name} serves a leaf until {end:%Y-%m-%d}, and keeps the caBundle (metrics)")
    return seen, bad


def _remedy(facts: Facts, finding: str) -> str:
    """Returns who mends what the first finding says: the caBundle, or the certificate."""
    writer = facts.bundle_writer if "caBundle" in finding else ""
    if writer == "the webhook" or (not writer and facts.kind.name == "self-managed"):
        return (
            "the webhook mends it while it runs; if it does not, its log says why: a missing right, or another writer"
        )
    if writer == "you":
        return f"write the CA of the served certificate into the caBundle of {facts.configuration_name}"
    if writer:
        return f"{writer} writes the caBundle: look into its log"
    return facts.kind.instead
