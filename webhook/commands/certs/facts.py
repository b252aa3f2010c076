"""The certificates that `certs show` has read. Pure; every time is an aware datetime."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from cryptography import x509

from certs.bundle import Service, our_entries, published
from certs.errors import InvalidPair
from certs.external import ExternalCertificate
from certs.issue import Pair
from certs.pem import canonical, read_certificate, read_certificates, read_private_key
from certs.renewal import due_at, ends_at, issued_at, takes_effect_at
from certs.state import State, read_state
from certs.stores import StoredSecret
from webhook.commands.certs.kind import Kind

Role = Literal["CA", "leaf", "next CA", "previous CA"]
What = Literal["served", "secret", "shared", "configuration"]

# In the shared Secret, only replicas that sign write this key; those with a certificate of others never do.
_SIGNING_KEY: Final = "ca.key"
_TAKEN_UP_WITHIN: Final = timedelta(minutes=10)
_WARNED_BEFORE: Final = timedelta(days=7)


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
    """A certificate with its CAs, as one Secret (or the files of a pod) has them.

    `is_ours` is true if the webhook writes it, and not cert-manager or a person.
    """

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


def by_bundle(entries: Sequence[Entry]) -> list[tuple[str, tuple[bytes, ...]]]:
    """Returns each entry's text and caBundle; if all entries have the same caBundle, one text for all of them."""
    if len(entries) > 1 and len({entry.bundle for entry in entries}) == 1:
        return [(f"all {len(entries)} entries", entries[0].bundle)]
    return [(f"entry {entry.name}", entry.bundle) for entry in entries]


@dataclass(frozen=True)
class Served:
    """The leaf that a TLS server presented; for each caBundle, why a client that trusts only it refuses the leaf."""

    leaf: bytes
    refusals: Mapping[tuple[bytes, ...], str]


@dataclass(frozen=True)
class Facts:
    """Everything that was read. None means that the object does not exist, or that `unread` has the reason.

    `address` is where we asked the webhook: --address, or else the Service, which only pods can usually reach. `secret`
    is the certificate that the webhook should serve, and `place` where we read it ("" if nowhere). If others make it,
    `shared` has the CAs that the replicas share in the Secret `shared_name`.
    """

    service: Service
    address: str
    kind: Kind
    place: str
    configuration_name: str
    bundle_writer: str = ""
    is_address_given: bool = False
    served: Served | None = None
    secret: Secret | None = None
    shared_name: str = ""
    shared: Secret | None = None
    entries: tuple[Entry, ...] | None = None
    unread: Mapping[What, str] = field(default_factory=dict)

    def is_lately_issued(self, now: datetime) -> bool:
        """Whether the leaf was issued so lately that the webhook may not have taken it up yet."""
        held = self.secret.certificate("leaf") if self.secret is not None else None
        return self.secret is not None and held is not None and is_fresh(held, now, is_ours=self.secret.is_ours)

    def is_taking_up(self, now: datetime) -> bool:
        """Whether the webhook serves another leaf because the right one was issued lately."""
        held = self.secret.certificate("leaf") if self.secret is not None else None
        return self.served is not None and self.served.leaf != held and self.is_lately_issued(now)

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


def annotations_of(configuration: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Returns the annotations of an object, or none."""
    metadata = (configuration or {}).get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return annotations if isinstance(annotations, Mapping) else {}


def has_own_keys(data: Mapping[str, bytes]) -> bool:
    """Whether replicas that sign have written this Secret."""
    return _SIGNING_KEY in data


def shared_secret(stored: StoredSecret) -> Secret:
    """Returns the content of the Secret that the replicas share. Never raises."""
    state, problems = read_state(stored.data, stored.annotations)
    pairs: tuple[tuple[Role, Pair | None], ...] = (("CA", state.ca), ("leaf", state.leaf), ("next CA", state.next_ca))
    held = [Held(role, pair.certificate) for role, pair in pairs if pair is not None]
    held += [Held("previous CA", previous.certificate, previous.until) for previous in state.previous]
    return Secret(tuple(held), problems, tuple(_requests(state)), is_ours=True)


def external_secret(data: Mapping[str, bytes]) -> Secret:
    """Returns a certificate that others make, from `tls.crt`, `tls.key` and `ca.crt`. Never raises.

    `problems` are the reasons for which the webhook would refuse it. Without `ca.crt`, its CA is not checked; without
    `tls.key`, its key is not.
    """
    cas, unreadable = read_certificates(data.get("ca.crt", b""))
    problems = ["ca.crt has unreadable certificates"] if unreadable else []
    if "ca.crt" in data and not cas and not unreadable:
        problems.append("ca.crt is empty")
    held = [Held("CA", ca) for ca in cas]
    try:
        held.append(Held("leaf", canonical(data.get("tls.crt", b""))))
    except InvalidPair as error:
        problems.append(f"tls.crt: {error}" if data.get("tls.crt", b"").strip() else "tls.crt is empty")
        return Secret(tuple(held), tuple(problems), (), is_ours=False)
    problems += _key_problems(data)
    if cas and not ExternalCertificate(Pair(data["tls.crt"], b""), cas).signers():
        problems.append("ca.crt has no CA that verifies tls.crt, so the webhook does not load it")
    return Secret(tuple(held), tuple(problems), (), is_ours=False)


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


def is_fresh(certificate: bytes, now: datetime, *, is_ours: bool) -> bool:
    """Whether it was issued so lately that the webhook may not have taken it up yet. Raises InvalidPair.

    kubelet needs up to two minutes to renew a pod's files, and a new CA is published for `--ca-settle` first.
    """
    began = issued_at(Pair(certificate, b"")) if is_ours else read_certificate(certificate).not_valid_before_utc
    return now < began + _TAKEN_UP_WITHIN


def ends_soon(certificate: bytes, now: datetime) -> bool:
    """Whether a certificate that others renew is late: a week is left, or a tenth of its life if that is less.

    When others renew it is theirs to choose; cert-manager does so after two thirds of its life by default. Raises
    InvalidPair.
    """
    parsed = read_certificate(certificate)
    end, begin = parsed.not_valid_after_utc, parsed.not_valid_before_utc
    return now >= end - min(_WARNED_BEFORE, (end - begin) / 10)


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


def _key_problems(data: Mapping[str, bytes]) -> Iterator[str]:
    if "tls.key" not in data:
        return
    try:
        key = read_private_key(data["tls.key"])
    except InvalidPair as error:
        yield f"tls.key: {error}"
        return
    if key.public_key() != read_certificate(data["tls.crt"]).public_key():
        yield "tls.key does not belong to tls.crt, so the webhook does not load it"
