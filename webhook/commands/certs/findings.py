"""Checks whether the certificates of `certs show` match; one sentence for each that does not. Pure."""

from collections.abc import Iterator
from datetime import datetime

from certs.pem import is_issued_by, read_certificate
from webhook.commands.certs.facts import Facts, Secret, by_bundle, called_name, ends_soon, is_due, is_over, names_of


def findings(facts: Facts, now: datetime) -> list[str]:
    """Returns what is wrong or soon will be; empty if the API server can call the webhook and stays able to."""
    return [*_configuration(facts), *_leaves(facts, now), *_bundles(facts, now), *_secret(facts, now)]


def _configuration(facts: Facts) -> Iterator[str]:
    name = f"the MutatingWebhookConfiguration {facts.configuration_name}"
    unread = facts.reason_unread("configuration")
    if unread:
        yield f"{name} could not be read, so its caBundle was not compared: {unread}"
    elif facts.entries is None:
        yield (
            f"{name} does not exist (if it has another name, set --webhook-configuration): the API server does not call"
            " the webhook"
        )
    elif not facts.entries:
        service = f"{facts.service.namespace}/{facts.service.name}"
        yield f"no entry of {name} calls the Service {service} (if it is another, set --namespace and --service-name)"


def _leaves(facts: Facts, now: datetime) -> Iterator[str]:
    """Yields what is wrong with the served leaf, and with the one that should be served if that is another one."""
    held = facts.secret.certificate("leaf") if facts.secret is not None else None
    if facts.is_address_given and facts.served is None:
        yield f"there is no TLS server at {facts.address}: {facts.reason_unread('served')}"
    if facts.served is not None:
        yield from _leaf("the served leaf", facts.served.leaf, facts, now)
    if held is not None and (facts.served is None or held != facts.served.leaf):
        yield from _leaf(f"the leaf of the {facts.place}", held, facts, now)
        if facts.served is not None and not facts.is_taking_up(now):
            yield (
                f"the served leaf is not that of the {facts.place} (if it was replaced a moment ago, look again in ten"
                " minutes; otherwise the webhook's log says why)"
            )


def _leaf(what: str, leaf: bytes, facts: Facts, now: datetime) -> Iterator[str]:
    if is_over(leaf, now):
        yield f"{what} has expired"
    elif now < read_certificate(leaf).not_valid_before_utc:
        yield f"{what} is not valid yet (is the clock of this machine right?)"
    elif facts.kind.is_external and ends_soon(leaf, now):
        yield f"{what} expires soon, and nobody has renewed it (renewed by: {facts.kind.renewer})"
    elif not facts.kind.is_external:
        issuer = next((ca for ca in _known_authorities(facts) if is_issued_by(leaf, ca)), None)
        if is_due(leaf, now, issuer):
            yield f"{what} expires soon: two thirds of its lifetime are over, and the webhook has not renewed it"
    name = called_name(facts.service)
    if name not in {one.lower() for one in names_of(leaf)}:
        yield f"{what} is not valid for {name}, the name that the API server verifies"


def _known_authorities(facts: Facts) -> Iterator[bytes]:
    for entry in facts.entries or ():
        yield from entry.bundle
    if facts.secret is not None:
        yield from facts.secret.certificates("CA")


def _bundles(facts: Facts, now: datetime) -> Iterator[str]:
    for name, bundle in by_bundle(facts.entries or ()):
        if not bundle:
            has = "has" if name.startswith("entry ") else "have"
            yield f"{name} {has} no caBundle: the API server trusts the CAs of its own system instead"
            continue
        if facts.served is not None and (refusal := facts.served.refusals.get(bundle, "")):
            yield f"the API server refuses the served leaf with the caBundle of {name}: {refusal}"
        if facts.secret is None:
            continue
        leaf = facts.secret.certificate("leaf") if facts.served is None and facts.secret.is_ours else None
        # A leaf of others may chain to the CA through an intermediate CA, which only a handshake can verify.
        if leaf is not None and not any(is_issued_by(leaf, ca) for ca in bundle):
            yield f"the leaf of the {facts.place} is not signed by a CA in the caBundle of {name}"
        external = facts.kind.is_external
        if external and facts.is_taking_up(now):
            continue
        lately = " (it is new: look again in ten minutes)" if external and facts.is_lately_issued(now) else ""
        for role in ("CA", "next CA"):
            if any(ca not in bundle for ca in facts.secret.certificates(role)):
                yield f"the caBundle of {name} lacks the {role} of the {facts.place}{lately}"


def _secret(facts: Facts, now: datetime) -> Iterator[str]:
    if not facts.place or facts.reason_unread("secret"):
        return
    if facts.secret is None:
        yield f"the {facts.place} does not exist: {facts.kind.if_missing}"
        return
    if not facts.secret.held and not facts.secret.problems:
        yield f"the {facts.place} holds no certificate"
        return
    for problem in facts.secret.problems:
        yield f"the {facts.place}: {problem}"
    if facts.secret.held:
        yield from _authorities(facts.secret, facts.place, now)


def _authorities(secret: Secret, place: str, now: datetime) -> Iterator[str]:
    cas = secret.certificates("CA")
    if cas and all(is_over(ca, now) for ca in cas):
        yield f"the CA of the {place} has expired"
    if not secret.is_ours:
        return
    # If there is a next CA, the renewal is already in progress.
    if any(is_due(ca, now) and not is_over(ca, now) for ca in cas) and secret.certificate("next CA") is None:
        yield f"the CA of the {place} expires soon: two thirds of its lifetime are over, and there is no next CA"
    if secret.certificate("leaf") is None:
        yield f"the {place} holds no leaf"
    if not cas:
        yield f"the {place} holds no CA that can sign"
