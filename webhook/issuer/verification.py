"""Verifies an issuer as STS and IAM would, from what was fetched: one list of checks in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webhook.issuer.check import Check, all_skipped
from webhook.issuer.discovery_requirements import announced_algorithms, discovery_checks
from webhook.issuer.fetched import Fetched, fetch_checks, fetch_requirements
from webhook.issuer.issuer_url import url_checks
from webhook.issuer.json_object import DocumentError, read_object
from webhook.issuer.jwks import Jwk
from webhook.issuer.jwks_requirements import jwks_checks, keys_of
from webhook.issuer.token import TokenError, read_token
from webhook.issuer.token_requirements import no_token, token_checks, unreadable_token


@dataclass(frozen=True, slots=True)
class Section:
    """The checks of one thing, under its title."""

    title: str
    checks: Sequence[Check]


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A token's text, or the `problem` that prevented getting one."""

    text: str = ""
    problem: str = ""


def verified(
    issuer: str,
    discovery: Fetched | None,
    jwks: Fetched | None,
    token: PresentedToken | None,
    audiences: Sequence[str],
    now: datetime,
) -> list[Section]:
    """Returns all checks. `discovery` and `jwks` are None if there was nothing to fetch; `token` if none was given."""
    document = document_of(discovery)
    body = jwks.body if jwks is not None and document_of(jwks) is not None else None
    keys = keys_of(body) if body is not None else None
    return [
        Section("Issuer", url_checks(issuer)),
        Section(
            "Discovery document",
            [
                *_fetch("discovery", discovery, "the URL cannot be fetched"),
                *discovery_checks(issuer, document),
            ],
        ),
        Section(
            "Keys",
            [
                *_fetch("jwks", jwks, "there is no jwks_uri that can be fetched"),
                *jwks_checks(body, announced_algorithms(document)),
            ],
        ),
        Section("Token", _token(token, issuer, keys, audiences, now)),
    ]


def document_of(fetched: Fetched | None) -> Mapping[str, Any] | None:
    """Returns the JSON object that was fetched; None if it could not be read."""
    if fetched is None or fetched.problem is not None or fetched.status != 200:
        return None
    try:
        return read_object(fetched.body)
    except DocumentError:
        return None


def _fetch(prefix: str, fetched: Fetched | None, reason: str) -> list[Check]:
    return fetch_checks(prefix, fetched) if fetched is not None else all_skipped(fetch_requirements(prefix), reason)


def _token(
    presented: PresentedToken | None, issuer: str, keys: Sequence[Jwk] | None, audiences: Sequence[str], now: datetime
) -> list[Check]:
    if presented is None:
        return no_token()
    if presented.problem:
        return unreadable_token(presented.problem, "Allow the request, or give a token with --token FILE.")
    try:
        token = read_token(presented.text)
    except TokenError as error:
        return unreadable_token(str(error))
    return token_checks(token, issuer, keys, audiences, now)
