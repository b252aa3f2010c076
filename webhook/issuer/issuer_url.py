"""What IAM requires of an issuer's URL, and STS of the URL of its keys."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from webhook.issuer.check import Check, Requirement, shown
from webhook.issuer.discovery import DISCOVERY_PATH

MAX_LENGTH: Final = 255
"""Characters of the URL of an IAM OIDC provider."""

_HTTPS: Final = Requirement("https", "The URL begins with https://")
_HOST: Final = Requirement("host", "The host has a public name")
_BUCKET: Final = Requirement("bucket", "The bucket's name has no dot")
_PORT: Final = Requirement("port", "The URL has no port")
_PLAIN: Final = Requirement("query", "The URL has no query, fragment or user")
_LENGTH: Final = Requirement("length", f"The URL has at most {MAX_LENGTH} characters")

_LABEL: Final = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_PATH: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", re.ASCII)
_PRIVATE_NAMES: Final = (".svc", ".local", ".internal", ".localhost", ".localdomain", ".lan")
_S3: Final = re.compile(r"(?P<bucket>.+)\.s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """The host, the port and the path of an https URL."""

    host: str
    port: int
    target: str


def address_of(url: str) -> Address | None:
    """Returns where to fetch `url`; None if it is not an https URL that can be fetched."""
    parts = _split(url)
    if parts is None or parts.scheme != "https" or not _is_host(parts.hostname or "") or "@" in parts.netloc:
        return None
    if not _PATH.fullmatch(parts.path) or not parts.query.isascii():
        return None
    port = _port(parts)
    if port is None:
        return None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(parts.hostname or "", port, target)


def discovery_url(issuer: str) -> str:
    """Returns the URL of an issuer's discovery document (OpenID Connect Discovery 1.0, section 4.1)."""
    return f"{issuer.rstrip('/')}/{DISCOVERY_PATH}"


def url_checks(issuer: str) -> list[Check]:
    """Checks the issuer's URL alone."""
    checks = [check(issuer) for check in (_https, _plain, _length, _no_port, _public_host)]
    bucket = _bucket_of(issuer)
    return [*checks, _bucket(bucket)] if bucket else checks


def unreachable_reason(url: str) -> str:
    """Returns why AWS cannot reach the host of an https URL by its name; "" if nothing is known against it."""
    parts = _split(url)
    host = (parts.hostname or "").rstrip(".").lower() if parts is not None else ""
    if not _is_host(host):
        return "the URL has no valid host name"
    try:
        address = ip_address(host)
    except ValueError:
        if "." not in host or host.endswith(_PRIVATE_NAMES):
            return f"{host} is a name inside of a network, which AWS cannot resolve"
        return ""
    return "" if address.is_global else f"{address} is an address inside of a network, which AWS cannot reach"


def _https(issuer: str) -> Check:
    parts = _split(issuer)
    if parts is None or not parts.netloc:
        return _HTTPS.failed(f"{shown(issuer)} is not a URL", "Give the issuer as https://HOST/PATH.")
    if not issuer.startswith("https://"):
        return _HTTPS.failed(
            f"it begins with {shown(issuer[: len(parts.scheme)] + '://')}",
            "Serve the issuer with HTTPS, and set --service-account-issuer to a URL that begins with https://.",
        )
    return _HTTPS.ok(issuer)


def _plain(issuer: str) -> Check:
    parts = _split(issuer)
    if parts is None:
        return _PLAIN.skipped("it is not a URL")
    found = [
        name
        for name, has_it in (
            ("a query", "?" in issuer),
            ("a fragment", "#" in issuer),
            ("a user", "@" in parts.netloc),
        )
        if has_it
    ]
    if found:
        return _PLAIN.failed(f"it has {' and '.join(found)}", "Remove that part from --service-account-issuer.")
    if not _PATH.fullmatch(parts.path):
        return _PLAIN.failed(
            "its path has characters that a URL cannot have", "Use letters, digits and -._~ in the path."
        )
    return _PLAIN.ok("it has none")


def _length(issuer: str) -> Check:
    if len(issuer) > MAX_LENGTH:
        return _LENGTH.failed(f"it has {len(issuer)} characters", "Use a shorter host or path.")
    return _LENGTH.ok(f"it has {len(issuer)}")


def _no_port(issuer: str) -> Check:
    parts = _split(issuer)
    if parts is None:
        return _PORT.skipped("it is not a URL")
    if parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[1]:
        port = _port(parts)
        said = f"it has the port {port}" if port is not None else "it has a port that is no number from 1 to 65535"
        return _PORT.failed(said, "Serve the issuer at port 443, and leave the port out of the URL.")
    return _PORT.ok("it has none")


def _public_host(issuer: str) -> Check:
    if reason := unreachable_reason(issuer):
        return _HOST.failed(
            reason,
            "Publish the two documents at a public host, and set --service-account-issuer of all API servers to it.",
        )
    return _HOST.ok((_split(issuer) or urlsplit("")).hostname or "")


def _bucket_of(issuer: str) -> str:
    """Returns the bucket in the host of an S3 URL; "" if it has none."""
    parts = _split(issuer)
    match = _S3.fullmatch(parts.hostname or "") if parts is not None else None
    return match["bucket"] if match is not None else ""


def _bucket(bucket: str) -> Check:
    if "." in bucket:
        return _BUCKET.failed(
            f"the bucket {bucket} has a dot in its name, so the certificate of S3 does not cover its host",
            "Use a bucket without dots in its name, or put CloudFront before it.",
        )
    return _BUCKET.ok(bucket)


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url) if url.isprintable() and " " not in url else None
    except ValueError:
        return None


def _port(parts: SplitResult) -> int | None:
    try:
        return 443 if parts.port is None else parts.port or None
    except ValueError:
        return None


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return len(host) <= 253 and _NAME.fullmatch(host.rstrip(".")) is not None
    return True
