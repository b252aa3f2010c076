"""Requests to the stand-in without an AWS SDK, and what it answers."""

import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.issuer.keys import rsa_key, signed
from tests.sts.server import Sts
from webhook.issuer.jwks import kid_of

ISSUER: Final = "https://oidc.example.test"
SUBJECT: Final = "system:serviceaccount:shop:reports"
ROLE: Final = "arn:aws:iam::111122223333:role/s3-reader"
NO_KEY: Final = (
    "Couldn't retrieve verification key from your identity provider, "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
_SPACE: Final = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@dataclass(frozen=True)
class Answer:
    """The status and, from the XML, the texts of all elements that have no other inside, by name."""

    status: int
    texts: Mapping[str, str]

    @property
    def refusal(self) -> tuple[int, str, str]:
        """The status, code and message."""
        return self.status, self.texts["Code"], self.texts["Message"]


def claims(**changes: Any) -> dict[str, Any]:
    """Returns claims of a token for ten minutes from now; None removes a claim."""
    now = int(time.time())
    all_claims = {"iss": ISSUER, "sub": SUBJECT, "aud": ["sts.amazonaws.com"], "iat": now, "exp": now + 600, **changes}
    return {name: value for name, value in all_claims.items() if value is not None}


def token(*, kid: str | None = None, key: Any = None, **changes: Any) -> str:
    """Returns a token, by default of the published key."""
    return signed(claims(**changes), kid=kid or kid_of(rsa_key().public_key()), key=key)


def assume(sts: Sts, method: str = "POST", /, **changes: str | None) -> Answer:
    """Asks for the role; None removes a parameter."""
    parameters = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "web-1",
        "WebIdentityToken": changes.pop("WebIdentityToken", None) if "WebIdentityToken" in changes else token(),
        **changes,
    }
    return ask(sts, {name: value for name, value in parameters.items() if value is not None}, method=method)


def ask(sts: Sts, parameters: Mapping[str, str], *, method: str = "POST") -> Answer:
    """Sends parameters as a form, or with GET as a query."""
    how: dict[str, Any] = {"params": parameters} if method == "GET" else {"data": parameters}
    answer = httpx.request(method, sts.url, trust_env=False, timeout=20, **how)
    assert answer.headers["Content-Type"] == "text/xml"
    elements = ET.fromstring(answer.content).iter()
    return Answer(answer.status_code, {e.tag.removeprefix(_SPACE): e.text or "" for e in elements if not len(e)})
