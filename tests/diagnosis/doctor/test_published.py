import json
from dataclasses import replace
from typing import Any

import pytest

from tests.issuer.keys import NOW, rsa_key, signed
from webhook.diagnosis.doctor.facts import Published
from webhook.diagnosis.doctor.published import (
    discovery_step,
    issuer_flags_step,
    issuer_step,
    keys_step,
    token_step,
)
from webhook.diagnosis.doctor.read import Read
from webhook.diagnosis.doctor.step import Step
from webhook.issuer.discovery import discovery_document
from webhook.issuer.fetched import Fetched, Problem
from webhook.issuer.jwks import jwk_of, jwks_document, kid_of
from webhook.issuer.token import Token, read_token

_ISSUER = "https://issuer.example"
_URL = f"{_ISSUER}/.well-known/openid-configuration"
_JWKS = f"{_ISSUER}/openid/v1/jwks"
_KEY = jwk_of(rsa_key().public_key())
_OTHER = jwk_of(rsa_key("other").public_key())


def _token(**changes: Any) -> Read[Token]:
    now = int(NOW.timestamp())
    claims: dict[str, Any] = {"iss": _ISSUER, "sub": "system:serviceaccount:shop:reports", "aud": ["sts.amazonaws.com"]}
    claims |= {"iat": now - 60, "exp": now + 600, **changes}
    return Read(read_token(signed(claims, kid=kid_of(rsa_key().public_key()))))


def _document(url: str, body: bytes, status: int = 200) -> Fetched:
    return Fetched(url, status, "application/json", body)


_WHOLE = Published(
    issuer=_ISSUER,
    origin="the token's",
    token=_token(),
    discovery=_document(_URL, discovery_document(_ISSUER, [_KEY])),
    jwks=_document(_JWKS, jwks_document([_KEY])),
    audience="sts.amazonaws.com",
)


def _steps(facts: Published) -> dict[str, Step]:
    steps = (token_step(facts, "shop", "reports", NOW), issuer_step(facts, NOW), discovery_step(facts, NOW))
    return {step.name: step for step in (*steps, keys_step(facts, NOW))}


def test_of_a_whole_issuer_every_step_is_fine() -> None:
    assert {name: (step.status, step.found) for name, step in _steps(_WHOLE).items()} == {
        "token": ("ok", f"RS256, of shop/reports, issuer {_ISSUER}, audience sts.amazonaws.com"),
        "issuer": ("ok", f"{_ISSUER} (the token's)"),
        "discovery": ("ok", _URL),
        "keys": ("ok", f"{_JWKS}; kid {_KEY.kid}"),
    }


_SLASHED = json.loads(discovery_document(_ISSUER, [_KEY])) | {"issuer": f"{_ISSUER}/"}
_DOWN = Fetched(_URL, problem=Problem("connection", "it refuses the connection", "Start the server."))


@pytest.mark.parametrize(
    ("facts", "name", "found", "anchor"),
    [
        pytest.param(
            replace(_WHOLE, discovery=_document(_URL, json.dumps(_SLASHED).encode())),
            "issuer",
            f"the document says '{_ISSUER}/', and the URL is '{_ISSUER}'",
            "couldnt-retrieve-verification-key",
            id="a slash in the document",
        ),
        pytest.param(
            replace(_WHOLE, token=_token(iss="https://other.example"), origin="--issuer"),
            "issuer",
            "the token is of another issuer: 'https://other.example'",
            "no-openidconnect-provider-found",
            id="a token of another issuer",
        ),
        pytest.param(
            replace(_WHOLE, discovery=_DOWN, jwks=None),
            "discovery",
            "it refuses the connection",
            "idpcommunicationerror",
            id="the host is down",
        ),
        pytest.param(
            replace(_WHOLE, jwks=_document(_JWKS, jwks_document([_OTHER]))),
            "keys",
            f"the kid '{_KEY.kid}' is none of '{_OTHER.kid}'",
            "couldnt-retrieve-verification-key",
            id="keys of another cluster",
        ),
        pytest.param(
            replace(_WHOLE, jwks=_document(_JWKS, b"", 404)),
            "keys",
            f"{_JWKS}: HTTP 404",
            "couldnt-retrieve-verification-key",
            id="no keys",
        ),
        pytest.param(
            replace(_WHOLE, token=_token(exp=int(NOW.timestamp()) - 301)),
            "token",
            "it expired at 2026-11-29T11:54:59Z, and it is now 2026-11-29T12:00:00Z",
            "expiredtokenexception",
            id="a token that is expired from the start: clocks differ",
        ),
    ],
)
def test_a_fault_fails_its_own_step(facts: Published, name: str, found: str, anchor: str) -> None:
    steps = _steps(facts)

    assert [step.name for step in steps.values() if step.status == "failed"] == [name]
    assert (steps[name].found, steps[name].anchor) == (found, anchor)


def test_without_a_token_the_documents_are_still_checked() -> None:
    steps = _steps(replace(_WHOLE, token=Read(None, "403 (grant …)"), origin="--issuer"))

    assert (steps["token"].status, steps["token"].found) == ("unknown", "403 (grant …)")
    assert (steps["issuer"].status, steps["discovery"].status) == ("ok", "ok")
    assert (steps["keys"].status, steps["keys"].found) == (
        "unknown",
        f"{_JWKS}; whether they sign the cluster's tokens is not known without a token",
    )


def test_without_an_issuer_nothing_is_known() -> None:
    steps = _steps(Published(token=Read(None, "403")))

    assert {step.status for step in steps.values()} == {"unknown"}


@pytest.mark.parametrize(
    ("issuer", "status"),
    [(_ISSUER, "ok"), ("https://kubernetes.default.svc", "failed"), ("", "unknown")],
)
def test_the_flags_of_the_issuer(issuer: str, status: str) -> None:
    assert issuer_flags_step(Published(issuer=issuer, origin="the token's")).status == status
