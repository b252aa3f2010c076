"""The caBundle of our entries in a MutatingWebhookConfiguration. Pure: takes the object, returns a patch.

`publisher.py` writes it, and keeps it right.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#contacting-the-webhook
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from certs.pem import read_certificates


@dataclass(frozen=True)
class Service:
    """The Service through which the API server calls us."""

    name: str
    namespace: str


def our_entries(configuration: Mapping[str, Any], service: Service) -> Iterator[Mapping[str, Any]]:
    """Yields the entries that call our Service. Other products use our entry name too, so the name proves nothing."""
    for entry in _list(configuration.get("webhooks")):
        reference = _mapping(_mapping(_mapping(entry).get("clientConfig")).get("service"))
        if (reference.get("name"), reference.get("namespace")) == (service.name, service.namespace):
            yield entry


def published(configuration: Mapping[str, Any], service: Service) -> tuple[bytes, ...]:
    """Returns the certificates that all our entries trust, in `certs.pem.canonical` form; none if no entry is ours."""
    bundles = [_certificates(entry) for entry in our_entries(configuration, service)]
    if not bundles:
        return ()
    return tuple(certificate for certificate in bundles[0] if all(certificate in bundle for bundle in bundles[1:]))


def bundle_patch(configuration: Mapping[str, Any], service: Service, bundle: bytes) -> dict[str, Any] | None:
    """Returns the strategic merge patch that gives our entries this bundle, or None if they already have it.

    Compares bundles as sets of certificates. The patch carries the resourceVersion of `configuration`, so the API
    server refuses it if somebody has changed the object since.
    """
    wanted = set(read_certificates(bundle)[0])
    entries = [
        {"name": entry["name"], "clientConfig": {"caBundle": b64encode(bundle).decode()}}
        for entry in our_entries(configuration, service)
        if set(_certificates(entry)) != wanted
    ]
    if not entries:
        return None
    version = _mapping(configuration.get("metadata")).get("resourceVersion")
    return {"metadata": {"resourceVersion": version}, "webhooks": entries}


def _certificates(entry: Mapping[str, Any]) -> tuple[bytes, ...]:
    text = _mapping(entry.get("clientConfig")).get("caBundle")
    if not isinstance(text, str):
        return ()
    try:
        return read_certificates(b64decode(text))[0]
    except ValueError:
        return ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []
