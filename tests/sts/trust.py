"""Asks our evaluator whether a role's trust policy allows a request."""

from datetime import datetime

from tests.sts.parameters import WebIdentityRequest
from webhook.issuer.token import Token
from webhook.issuer.trust_policy.document import read_policy
from webhook.issuer.trust_policy.evaluation import evaluate
from webhook.issuer.trust_policy.provider import ProviderArn
from webhook.issuer.trust_policy.request import web_identity_request


def allows(policy: str, request: WebIdentityRequest, token: Token, provider: ProviderArn, now: datetime) -> bool:
    """Whether the policy allows the request. Fails if that cannot be known: a test must not depend on a guess."""
    claims = {name: _values(token.claims[name]) for name in ("sub", "aud", "azp", "amr") if name in token.claims}
    asked = web_identity_request(provider, claims, session_name=request.session, now=now)
    verdict = evaluate(read_policy(policy), asked)
    assert verdict.outcome != "undetermined", verdict.reason
    return verdict.outcome == "allowed"


def _values(claim: str | list[str]) -> tuple[str, ...]:
    return (claim,) if isinstance(claim, str) else tuple(claim)
