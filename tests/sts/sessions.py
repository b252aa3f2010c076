"""The sessions that the stand-in gave, and whose session it is that signs a request."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.sts.parameters import WebIdentityRequest
from tests.sts.refusal import Refusal

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/[0-9]{8}/([a-z0-9-]+)/sts/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True)
class Session:
    """Temporary credentials, and whose they are: the ARN of the assumed role, and the user ID `ROLE_ID:SESSION`."""

    access_key: str
    secret_key: str
    token: str
    expires: datetime
    account: str
    arn: str
    user_id: str


@dataclass(frozen=True)
class SignedRequest:
    """A request as it arrived; `headers` has lower-case names."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def access_key(self) -> str:
        """The access key that signed it, or ""."""
        found = _AUTHORIZATION.fullmatch(self.headers.get("authorization", ""))
        return found[1] if found else ""


class Sessions:
    """All sessions so far, by access key."""

    def __init__(self) -> None:
        self._given: dict[str, Session] = {}

    def give(self, request: WebIdentityRequest, now: datetime) -> Session:
        """Creates a session for a request that may have the role."""
        name = request.role.rpartition("/")[2]
        session = Session(
            access_key=f"ASIA{secrets.token_hex(8).upper()}",
            secret_key=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(60),
            expires=now + request.duration,
            account=request.account,
            arn=f"arn:{request.partition}:sts::{request.account}:assumed-role/{name}/{request.session}",
            user_id=f"AROA{secrets.token_hex(8).upper()}:{request.session}",
        )
        self._given[session.access_key] = session
        return session

    def of(self, request: SignedRequest, now: datetime) -> Session:
        """Returns the session whose credentials signed the request (Signature Version 4). Raises Refusal."""
        found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            raise Refusal(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        access_key, region, signed_headers, signature = found.groups()
        session = self._given.get(access_key)
        if session is None or request.headers.get("x-amz-security-token") != session.token:
            raise Refusal(403, "InvalidClientTokenId", "The security token included in the request is invalid")
        if now >= session.expires:
            raise Refusal(403, "ExpiredToken", "The security token included in the request is expired")
        if _signature(request, session, region, signed_headers.split(";")) != signature:
            message = "The request signature we calculated does not match the signature you provided."
            raise Refusal(403, "SignatureDoesNotMatch", message)
        return session


def _signature(request: SignedRequest, session: Session, region: str, signed_headers: list[str]) -> str:
    """Returns the signature that the session's secret key gives."""
    headers = {name: request.headers.get(name, "") for name in signed_headers}
    again = AWSRequest(request.method, request.url, headers=headers, data=request.body)
    again.context["timestamp"] = request.headers.get("x-amz-date", "")
    signer = SigV4Auth(Credentials(session.access_key, session.secret_key, session.token), "sts", region)
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return str(signer.signature(text, again))
