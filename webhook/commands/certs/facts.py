"""The certificates that `certs show` has read. Pure; every time is an aware datetime."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from cryptography import x509

from certs.bundle import Service, our_entries, published
from certs.errors import InvalidPair
from certs.issue import Pair
from certs.pem import canonical, read_certificate, read_certificates
from certs.renewal import due_at, ends_at, issued_at, takes_effect_at
from certs.state import State, read_state
from certs.stores import StoredSecret

Role = Literal["CA", "leaf", "next CA", "previous CA"]
What = Literal["served", "secret", "configuration"]

# Only the webhook writes these keys. Other Secrets, such as cert-manager's, do not have them.
_OURS_ALONE: Final = frozenset({"ca.key", "next-ca.crt", "previous-ca.crt"})


@dataclass(frozen=True)
class Held:
    """One certificate of the Secret. `until` is when clients may stop trusting a previous CA; None if not recorded."""

    role: Role
    certificate: bytes
    until: datetime | None = None


@dataclass(frozen=True)
class Request:
    """A requested rotation of what was issued before `after`; `is_pending` if the Secret still has that."""

    what: Literal["CA", "leaf"]
    after: datetime
    is_pending: bool


@dataclass(frozen=True)
class Secret:
    """The content of the Secret. `is_ours` is true if the webhook writes it, and not cert-manager or a person."""

    held: tuple[Held, ...]
    problems: tuple[str, ...]
    requests: tuple[Request, ...]
    is_ours: bool

    def certificate(self, role: Role) -> bytes | None:
        """Returns the first certificate with this role."""
        return next((held.certificate for held in self.held if held.role == role), None)

    def certificates(self, role: Role) -> tuple[bytes, ...]:
        """Returns all certificates with this role."""
        return tuple(held.certificate for held in self.held if held.role == role)


@dataclass(frozen=True)
class Entry:
    """One of our entries in the webhook configuration, and the certificates in its caBundle."""

    name: str
    bundle: tuple[bytes, ...]


@dataclass(frozen=True)
class Served:
    """The leaf that a TLS server presented; for each caBundle, why a client that trusts only it refuses the leaf."""

    leaf: bytes
    refusals: Mapping[tuple[bytes, ...], str]


@dataclass(frozen=True)
class Facts:
    """Everything that was read. None means that the object does not exist, or that `unread` has the reason.

    `address` is where we asked the webhook: --address, or else the Service, which only pods can usually reach.
    """

    service: Service
    address: str
    secret_name: str
    configuration_name: str
    is_address_given: bool = False
    served: Served | None = None
    secret: Secret | None = None
    entries: tuple[Entry, ...] | None = None
    unread: Mapping[What, str] = field(default_factory=dict)

    def reason_unread(self, what: What) -> str:
        """Returns why we could not read it; "" if we could."""
        return self.unread.get(what, "")


def called_name(service: Service) -> str:
    """Returns the name of a Service that the API server uses and verifies.

    https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#service-reference
    """
    return f"{service.name}.{service.namespace}.svc"


def entries_of(configuration: Mapping[str, Any], service: Service) -> tuple[Entry, ...]:
    """Returns the entries that call our Service."""
    return tuple(
        Entry(str(entry.get("name", "")), published({"webhooks": [entry]}, service))
        for entry in our_entries(configuration, service)
    )


def secret_of(stored: StoredSecret) -> Secret:
    """Returns the content of the Secret, whoever wrote it. Never raises."""
    if _OURS_ALONE.isdisjoint(stored.data):
        return _foreign(stored.data)
    state, problems = read_state(stored.data, stored.annotations)
    pairs: tuple[tuple[Role, Pair | None], ...] = (("CA", state.ca), ("leaf", state.leaf), ("next CA", state.next_ca))
    held = [Held(role, pair.certificate) for role, pair in pairs if pair is not None]
    held += [Held("previous CA", previous.certificate, previous.until) for previous in state.previous]
    return Secret(tuple(held), problems, tuple(_requests(state)), is_ours=True)


def names_of(certificate: bytes) -> tuple[str, ...]:
    """Returns the DNS names and IP addresses that a certificate is valid for. Raises InvalidPair."""
    try:
        extension = read_certificate(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    names = extension.value
    ips = (str(ip) for ip in names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *ips)


def is_due(certificate: bytes, now: datetime, ca: bytes | None = None) -> bool:
    """Whether two thirds of its lifetime are over; `ca` as in `certs.renewal.due_at`. Raises InvalidPair."""
    return now >= due_at(Pair(certificate, b""), Pair(ca, b"") if ca is not None else None)


def is_over(certificate: bytes, now: datetime) -> bool:
    """Whether it has expired. Raises InvalidPair."""
    return now >= ends_at(certificate)


def _requests(state: State) -> Iterator[Request]:
    if state.rotate_leaf_after is not None:
        yield Request("leaf", state.rotate_leaf_after, _is_before(state.leaf, state.rotate_leaf_after))
    if state.rotate_ca_after is not None:
        yield Request("CA", state.rotate_ca_after, _is_before(state.ca, state.rotate_ca_after))


def _is_before(pair: Pair | None, after: datetime) -> bool:
    return pair is not None and issued_at(pair) < takes_effect_at(after)


def _foreign(data: Mapping[str, bytes]) -> Secret:
    held: list[Held] = []
    problems = []
    authorities, unreadable = read_certificates(data.get("ca.crt", b""))
    if unreadable:
        problems.append("ca.crt has certificates that cannot be read")
    held += [Held("CA", certificate) for certificate in authorities]
    if data.get("tls.crt", b"").strip():
        try:
            held.append(Held("leaf", canonical(data["tls.crt"])))
        except InvalidPair as error:
            problems.append(f"tls.crt: {error}")
    return Secret(tuple(held), tuple(problems), (), is_ours=False)
