"""The content of the Secret: the CA, the leaf, the next CA and the previous CAs. Reads tolerantly, writes strictly.

`ca.crt`, `tls.crt` and `tls.key` have the same names as in cert-manager's Secrets, so that certificate tools
understand them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from certs.errors import InvalidPair
from certs.issue import Pair
from certs.pem import canonical, canonical_key, is_issued_by, read_certificate, read_certificates, read_private_key
from certs.renewal import is_current

ROTATE_LEAF_AFTER: Final = "pod-identity-webhook/rotate-leaf-after"
ROTATE_CA_AFTER: Final = "pod-identity-webhook/rotate-ca-after"

_CA: Final = ("ca.crt", "ca.key")
_LEAF: Final = ("tls.crt", "tls.key")
_NEXT_CA: Final = ("next-ca.crt", "next-ca.key")
_PREVIOUS: Final = "previous-ca.crt"
_PREVIOUS_UNTIL: Final = "previous-ca-until"


@dataclass(frozen=True)
class PreviousCa:
    """A CA that no longer signs: its certificate, and when its last leaf expires (None: not recorded)."""

    certificate: bytes
    until: datetime | None


@dataclass(frozen=True)
class State:
    """Everything that replicas share. Certificates are in `certs.pem.canonical` form; in each pair, the key matches.

    Clients trust `next_ca` already, but it signs nothing yet. `rotate_leaf_after` and `rotate_ca_after` are requests:
    a leaf or CA issued before that time is due for renewal.
    """

    ca: Pair | None = None
    leaf: Pair | None = None
    next_ca: Pair | None = None
    previous: tuple[PreviousCa, ...] = ()
    rotate_leaf_after: datetime | None = None
    rotate_ca_after: datetime | None = None

    def authorities(self) -> tuple[bytes, ...]:
        """Returns the certificates of all CAs, each once: the signing CA, the next, then the previous ones."""
        pairs = [pair.certificate for pair in (self.ca, self.next_ca) if pair is not None]
        return tuple(dict.fromkeys([*pairs, *(previous.certificate for previous in self.previous)]))

    def trusted(self, now: datetime) -> tuple[bytes, ...]:
        """Returns the certificates of all CAs that are valid now."""
        return tuple(ca for ca in self.authorities() if is_current(ca, now))

    def bundle(self, now: datetime) -> bytes:
        """Returns the CAs that a client must trust, as PEM."""
        return b"".join(self.trusted(now))

    def issuer_of(self, leaf: Pair) -> bytes | None:
        """Returns the CA of this state that signed a leaf, or None."""
        return next((ca for ca in self.authorities() if is_issued_by(leaf.certificate, ca)), None)

    def data(self) -> dict[str, bytes]:
        """Returns the `data` of the Secret. It always has every key; the value of an unused key is empty."""
        data: dict[str, bytes] = {}
        for (certificate, key), pair in ((_CA, self.ca), (_LEAF, self.leaf), (_NEXT_CA, self.next_ca)):
            data[certificate] = pair.certificate if pair else b""
            data[key] = pair.private_key if pair else b""
        return data | previous_data(self.previous)


def previous_data(previous: Sequence[PreviousCa]) -> dict[str, bytes]:
    """Returns the part of the Secret's `data` for previous CAs."""
    dated = [(fingerprint(ca.certificate), ca.until) for ca in previous if ca.until is not None]
    return {
        _PREVIOUS: b"".join(ca.certificate for ca in previous),
        _PREVIOUS_UNTIL: "".join(f"{name} {format_time(until)}\n" for name, until in dated).encode(),
    }


def read_state(data: Mapping[str, bytes], annotations: Mapping[str, str]) -> tuple[State, tuple[str, ...]]:
    """Returns the state in a Secret and its problems, one line each. Raises nothing.

    Leaves out damaged pieces. A CA whose private key is damaged or missing can no longer sign, but if it signed the
    leaf, it becomes a previous CA, so that clients still trust it.
    """
    problems: list[str] = []
    ca = _read_pair(data, _CA, problems)
    leaf = _read_pair(data, _LEAF, problems)
    next_ca = _read_pair(data, _NEXT_CA, problems)
    previous = _read_previous(data, problems)
    if ca is None and leaf is not None:
        for certificate in read_certificates(data.get(_CA[0], b""))[0][:1]:
            if is_issued_by(leaf.certificate, certificate) and all(certificate != one.certificate for one in previous):
                previous.append(PreviousCa(certificate, None))
    state = State(
        ca=ca,
        leaf=leaf,
        next_ca=next_ca,
        previous=tuple(previous),
        rotate_leaf_after=_read_request(annotations, ROTATE_LEAF_AFTER, problems),
        rotate_ca_after=_read_request(annotations, ROTATE_CA_AFTER, problems),
    )
    return state, tuple(problems)


def fingerprint(certificate: bytes) -> str:
    """Returns the SHA-256 of a PEM in `canonical` form, in hex. It identifies a certificate within the Secret."""
    return sha256(certificate).hexdigest()


def format_time(time: datetime) -> str:
    """Formats a time as RFC 3339 in UTC, in whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Parses an RFC 3339 time with a time zone, from 1970 to 8999. Raises ValueError.

    The upper limit leaves room for adding a timedelta to the result.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no time zone")
    if not 1970 <= time.year < 9000:
        raise ValueError("the year is not from 1970 to 8999")
    return time.astimezone(UTC)


def _read_pair(data: Mapping[str, bytes], keys: tuple[str, str], problems: list[str]) -> Pair | None:
    certificate, key = (data.get(name, b"") for name in keys)
    if not certificate.strip() and not key.strip():
        return None
    for name, value in zip(keys, (certificate, key), strict=True):
        if not value.strip():
            problems.append(f"{name} is empty")
            return None
    try:
        pair = Pair(canonical(certificate), canonical_key(key))
    except InvalidPair as error:
        problems.append(f"{keys[0]} and {keys[1]}: {error}")
        return None
    if read_certificate(certificate).public_key() != read_private_key(key).public_key():
        problems.append(f"{keys[1]} does not belong to {keys[0]}")
        return None
    return pair


def _read_previous(data: Mapping[str, bytes], problems: list[str]) -> list[PreviousCa]:
    text = data.get(_PREVIOUS, b"")
    certificates, unreadable = read_certificates(text)
    if unreadable or (text.strip() and not certificates):
        problems.append(f"{_PREVIOUS} has certificates that cannot be read")
    until: dict[str, datetime] = {}
    is_damaged = False
    for line in data.get(_PREVIOUS_UNTIL, b"").decode(errors="replace").splitlines():
        name, _, time = line.strip().partition(" ")
        try:
            until[name] = parse_time(time)
        except ValueError:
            is_damaged = True
    if is_damaged:
        problems.append(f"{_PREVIOUS_UNTIL} has a line that is not a fingerprint and a time")
    return [PreviousCa(certificate, until.get(fingerprint(certificate))) for certificate in certificates]


def _read_request(annotations: Mapping[str, str], name: str, problems: list[str]) -> datetime | None:
    text = annotations.get(name, "").strip()
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        problems.append(f"the annotation {name} is not a time such as 2026-03-01T12:00:00Z")
        return None
