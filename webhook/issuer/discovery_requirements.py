"""What STS requires of a discovery document (OpenID Connect Discovery 1.0, section 3)."""

from collections.abc import Mapping
from typing import Any, Final

from webhook.issuer.check import Check, Requirement, all_skipped, shown
from webhook.issuer.issuer_url import address_of, unreachable_reason

_ISSUER: Final = Requirement("issuer", "Its issuer equals the URL to the letter")
_SLASH: Final = Requirement("slash", "All agree on the slash at the issuer's end")
_MEMBERS: Final = Requirement("members", "It has the required members")
_JWKS_URI: Final = Requirement("jwks-uri", "Its jwks_uri is an https URL of a public host")
_ALL: Final = (_ISSUER, _SLASH, _MEMBERS, _JWKS_URI)

_REQUIRED: Final = {
    "response_types_supported": "id_token",
    "subject_types_supported": "public",
    "id_token_signing_alg_values_supported": "",
}
"""The lists that must be there, and the value that each must contain."""

_RENDER: Final = "Publish the document that 'issuer render' writes."


def discovery_checks(issuer: str, document: Mapping[str, Any] | None) -> list[Check]:
    """Checks the document of the issuer; None if it could not be read."""
    if document is None:
        return all_skipped(_ALL, "the discovery document could not be read")
    return [_issuer(issuer, document), _slash(issuer, document), _members(document), _jwks_uri(document)]


def jwks_uri_of(document: Mapping[str, Any] | None) -> str | None:
    """Returns the jwks_uri if it can be fetched."""
    url = document.get("jwks_uri") if document is not None else None
    return url if isinstance(url, str) and address_of(url) is not None else None


def announced_algorithms(document: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Returns the signature algorithms that the document announces."""
    announced = document.get("id_token_signing_alg_values_supported") if document is not None else None
    return tuple(name for name in announced if isinstance(name, str)) if isinstance(announced, list) else ()


def differ_by_slash(one: str, other: str) -> bool:
    """Whether two issuers differ only in slashes at their end."""
    return one != other and one.rstrip("/") == other.rstrip("/")


def _issuer(issuer: str, document: Mapping[str, Any]) -> Check:
    published = document.get("issuer")
    if not isinstance(published, str):
        return _ISSUER.failed("it has no issuer, or not as text", _RENDER)
    if differ_by_slash(issuer, published):
        return _ISSUER.skipped("it differs only in the slash at the end")
    if published != issuer:
        return _ISSUER.failed(
            f"it says {shown(published)}, not {shown(issuer)}",
            "Use one string, letter by letter, as --service-account-issuer, as issuer in the document, and as the URL "
            "of the IAM provider.",
        )
    return _ISSUER.ok(published)


def _slash(issuer: str, document: Mapping[str, Any]) -> Check:
    published = document.get("issuer")
    if not isinstance(published, str):
        return _SLASH.skipped("the document has no issuer")
    if differ_by_slash(issuer, published):
        return _SLASH.failed(
            f"the document says {shown(published)}, and the URL is {shown(issuer)}",
            "Write the issuer without a slash at its end: in --service-account-issuer, in the document, and in IAM.",
        )
    return _SLASH.ok(
        "the URL ends with a slash: so must that of the IAM provider" if issuer.endswith("/") else "no slash"
    )


def _members(document: Mapping[str, Any]) -> Check:
    missing = []
    for name, value in _REQUIRED.items():
        found = document.get(name)
        if not isinstance(found, list) or not found:
            missing.append(f"{name} is missing, or no list" if found != [] else f"{name} is empty")
        elif value and value not in found:
            missing.append(f"{name} lacks {value}")
    if missing:
        return _MEMBERS.failed("; ".join(missing), _RENDER)
    return _MEMBERS.ok(", ".join(_REQUIRED))


def _jwks_uri(document: Mapping[str, Any]) -> Check:
    url = document.get("jwks_uri")
    if not isinstance(url, str) or not url:
        return _JWKS_URI.failed("it has no jwks_uri, or not as text", _RENDER)
    if address_of(url) is None:
        return _JWKS_URI.failed(f"{shown(url)} is not an https URL", f"Serve the keys with HTTPS. {_RENDER}")
    if reason := unreachable_reason(url):
        return _JWKS_URI.failed(
            f"{shown(url)}: {reason}",
            f"An API server names itself unless --service-account-jwks-uri says otherwise. {_RENDER}",
        )
    return _JWKS_URI.ok(url)
