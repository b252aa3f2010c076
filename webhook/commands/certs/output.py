"""The output of `certs show`, as text and as JSON. The facts have no private keys, so it cannot print any."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from ssl import PEM_cert_to_DER_cert
from typing import Any

from certs.renewal import ends_at
from certs.state import format_time
from webhook.commands.certs.facts import Facts, Held, Secret, What, by_bundle, names_of


def text(facts: Facts, found: list[str], now: datetime) -> str:
    """Returns the output for people."""
    lines = [f"Certificates of the Service {facts.service.namespace}/{facts.service.name} at {format_time(now)}"]
    lines += [*_kind(facts), ""]
    lines += [f"Served at {facts.address}", *_served(facts, now), ""]
    if facts.place:
        lines += [facts.place[0].upper() + facts.place[1:], *_secret(facts, facts.secret, "secret", now), ""]
    if facts.shared_name:
        heading = f"Secret {facts.service.namespace}/{facts.shared_name}, for a change to another kind of certificate"
        lines += [heading, *_secret(facts, facts.shared, "shared", now), ""]
    lines += [f"MutatingWebhookConfiguration {facts.configuration_name}", *_entries(facts, now), ""]
    if not found:
        compared = " (the served certificate was not checked)" if facts.served is None else ""
        lines.append(f"No findings{compared}.")
    else:
        lines.append(f"{len(found)} {'finding' if len(found) == 1 else 'findings'}:")
        lines += [f"  - {finding}" for finding in found]
    return "\n".join(_printable(line) for line in lines) + "\n"


def as_json(facts: Facts, found: list[str], now: datetime) -> str:
    """Returns the output for scripts, with times as in RFC 3339.

    null means that an object does not exist or could not be read; `unread` has the reason.
    """
    document: dict[str, Any] = {
        "time": format_time(now),
        "service": {"name": facts.service.name, "namespace": facts.service.namespace},
        "kind": facts.kind.name,
        "source": facts.kind.source,
        "renewedBy": facts.kind.renewer,
        "caBundleWrittenBy": facts.bundle_writer or None,
        "doubt": facts.kind.doubt or None,
        "address": facts.address,
        "served": None if facts.served is None else _described(facts.served.leaf, now),
        "secret": None if facts.secret is None else _described_secret(facts.place, facts.secret, now),
        "sharedSecret": None
        if facts.shared is None
        else _described_secret(f"Secret {facts.service.namespace}/{facts.shared_name}", facts.shared, now),
        "webhookConfiguration": None
        if facts.entries is None
        else {
            "name": facts.configuration_name,
            "entries": [
                {"name": entry.name, "caBundle": [_described(ca, now) for ca in entry.bundle]}
                for entry in facts.entries
            ],
        },
        "unread": dict(facts.unread),
        "findings": found,
    }
    return json.dumps(document, indent=2) + "\n"


def in_words(span: timedelta) -> str:
    """Returns how far away a time is: `in 61 days`, `2 hours ago`."""
    seconds = abs(span.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= 2 * length or unit == "second":
            count = round(seconds / length)
            amount = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {amount}" if span >= timedelta() else f"{amount} ago"
    raise AssertionError("unreachable: the last unit always fits")


def ending(certificate: bytes, now: datetime) -> str:
    """Returns when the certificate expires, for people."""
    end = ends_at(certificate)
    return f"{'ends' if end > now else 'ended'} {format_time(end)}, {in_words(end - now)}"


def fingerprint(certificate: bytes) -> str:
    """Returns the SHA-256 of the certificate (DER) in hex, as openssl and browsers show it."""
    return sha256(PEM_cert_to_DER_cert(certificate.decode("ascii"))).hexdigest()


def _served(facts: Facts, now: datetime) -> Iterator[str]:
    if facts.served is not None:
        yield from _certificate("leaf", facts.served.leaf, now)
        if facts.is_taking_up(now):
            yield f"  the webhook will serve the leaf of the {facts.place} within ten minutes"
        return
    name, namespace = facts.service.name, facts.service.namespace
    yield f"  could not be reached from here: {facts.reason_unread('served')}"
    yield f"  kubectl exec --namespace {namespace} deploy/{name} -- pod-identity-webhook certs show"
    yield "  or again with --address localhost:8443, while this runs:"
    yield f"  kubectl port-forward --namespace {namespace} service/{name} 8443:443"


def _kind(facts: Facts) -> Iterator[str]:
    yield f"  kind: {facts.kind.name} ({facts.kind.source})"
    if facts.kind.name != "unknown":
        yield f"  renewed by: {facts.kind.renewer}"
    if facts.bundle_writer:
        yield f"  caBundle written by: {facts.bundle_writer}"
    if facts.kind.doubt and facts.kind.name != "unknown":
        yield f"  judged by the Secrets alone: {facts.kind.doubt}"


def _secret(facts: Facts, secret: Secret | None, what: What, now: datetime) -> Iterator[str]:
    if unread := facts.reason_unread(what):
        yield f"  could not be read: {unread}"
        return
    if secret is None:
        yield "  does not exist"
        return
    # The replicas also record the present CA as one that stays trusted for a day if another kind of certificate comes.
    present = facts.secret.certificates("CA") if what == "shared" and facts.secret is not None else ()
    for held in secret.held:
        if held.certificate in present:
            yield from _certificate("present CA", held.certificate, now, held, trusted="after a change trusted")
        else:
            yield from _certificate(held.role, held.certificate, now, held)
    for request in secret.requests:
        state = "pending" if request.is_pending else "done"
        yield f"  rotation of the {request.what} issued before {format_time(request.after)} is requested: {state}"


def _entries(facts: Facts, now: datetime) -> Iterator[str]:
    if unread := facts.reason_unread("configuration"):
        yield f"  could not be read: {unread}"
    elif facts.entries is None:
        yield "  does not exist"
    for name, bundle in by_bundle(facts.entries or ()):
        yield f"  {name}"
        for ca in bundle:
            yield from (f"  {line}" for line in _certificate("CA", ca, now))


def _certificate(
    role: str, certificate: bytes, now: datetime, held: Held | None = None, *, trusted: str = "trusted"
) -> Iterator[str]:
    until = f", {trusted} until {format_time(held.until)}" if held is not None and held.until is not None else ""
    yield f"  {role:<12} {ending(certificate, now)}{until} (SHA-256 {fingerprint(certificate)[:16]})"
    if role == "leaf":
        yield f"  {'':<12} for {', '.join(names_of(certificate)) or 'no name'}"


def _described_secret(place: str, secret: Secret, now: datetime) -> dict[str, Any]:
    return {
        "place": place,
        "managed": secret.is_ours,
        "certificates": [_held(held, now) for held in secret.held],
        "requests": [
            {"what": request.what, "after": format_time(request.after), "pending": request.is_pending}
            for request in secret.requests
        ],
    }


def _held(held: Held, now: datetime) -> dict[str, Any]:
    return {
        "role": held.role,
        **_described(held.certificate, now),
        "until": format_time(held.until) if held.until is not None else None,
    }


def _described(certificate: bytes, now: datetime) -> dict[str, Any]:
    end = ends_at(certificate)
    return {
        "sha256": fingerprint(certificate),
        "names": list(names_of(certificate)),
        "ends": format_time(end),
        "secondsLeft": int((end - now).total_seconds()),
    }


def _printable(line: str) -> str:
    """Returns `line` without control characters, which a foreign certificate could send to a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
