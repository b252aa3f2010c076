"""AssumeRoleWithWebIdentity: decides about one request, in the order in which STS looks."""

from datetime import datetime, timedelta
from typing import Final

from tests.sts.accounts import Account, Accounts, Role
from tests.sts.issuer_keys import IssuerKeys
from tests.sts.parameters import WebIdentityRequest
from tests.sts.refusal import Refusal, denied, invalid_token, no_provider
from tests.sts.trust import allows
from webhook.issuer.jwks import Jwk
from webhook.issuer.signature import signature_problem
from webhook.issuer.token import Token, TokenError, read_token
from webhook.issuer.trust_policy.provider import ProviderArn, without_scheme

GRACE: Final = timedelta(minutes=5)
"""So long after its `exp` STS still accepts a token."""


def check(request: WebIdentityRequest, accounts: Accounts, keys: IssuerKeys, now: datetime) -> Token:
    """Returns the token if the request may have the role. Raises Refusal."""
    account = accounts.get(request.account, Account())
    token = _read(request.token)
    issuer = token.iss or ""
    client_ids = account.providers.get(without_scheme(issuer))
    if client_ids is None or not issuer.startswith("https://"):
        raise no_provider(issuer)
    _check_signature(token, keys.key(issuer, token.kid))
    _check_claims(token, client_ids, now)
    role = account.roles.get(request.role)
    provider = ProviderArn(request.partition, request.account, without_scheme(issuer))
    if role is None or not allows(role.trust_policy, request, token, provider, now):
        raise denied()
    _check_duration(request, role)
    return token


def _read(text: str) -> Token:
    try:
        token = read_token(text)
    except TokenError as error:
        raise invalid_token("The ID Token provided is not a valid JWT") from error
    for claim in ("iss", "sub", "aud", "exp", "iat"):
        if not token.claims.get(claim):
            raise invalid_token(f"Missing a required claim: {claim}")
    return token


def _check_signature(token: Token, jwk: Jwk) -> None:
    if signature_problem(token, jwk):
        # AWS documents the code, but no text for this.
        raise invalid_token("The signature of the token is not valid")


def _check_claims(token: Token, client_ids: set[str], now: datetime) -> None:
    if client_ids.isdisjoint(token.aud):
        raise invalid_token("Incorrect token audience")
    expires = token.exp
    assert expires is not None, "the claim was required"
    if now >= expires + GRACE:
        message = (
            f"Token expired: current date/time {int(now.timestamp())} must be before "
            f"the expiration date/time {int(expires.timestamp())}"
        )
        raise Refusal(400, "ExpiredTokenException", message)


def _check_duration(request: WebIdentityRequest, role: Role) -> None:
    if request.duration > role.longest_session:
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise Refusal(400, "ValidationError", message)
