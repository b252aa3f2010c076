"""Policies and requests for the tests of trust policies."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from webhook.issuer.trust_policy.document import TrustPolicy, read_policy
from webhook.issuer.trust_policy.provider import ProviderArn
from webhook.issuer.trust_policy.request import Request, web_identity_request

PROVIDER = ProviderArn("aws", "111122223333", "oidc.example.com/c1")
SUB, AUD = PROVIDER.key("sub"), PROVIDER.key("aud")
REPORTS = "system:serviceaccount:shop:reports"
STS = "sts.amazonaws.com"
EXACT = {"StringEquals": {SUB: REPORTS, AUD: STS}}

Object = dict[str, Any]


def statement(conditions: Any = None, **members: Any) -> Object:
    """A statement; a member that is None is left out, and `conditions` is its Condition."""
    whole = {
        "Effect": "Allow",
        "Principal": {"Federated": str(PROVIDER)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    } | members
    return {name: value for name, value in whole.items() if value is not None}


def document(*statements: Any, version: str | None = "2012-10-17") -> Object:
    """A policy of these statements."""
    return ({"Version": version} if version else {}) | {"Statement": list(statements)}


def policy(*statements: Any, version: str | None = "2012-10-17") -> TrustPolicy:
    """The same, as it is read."""
    return read_policy(json.dumps(document(*statements, version=version), indent=2))


def request(
    sub: str = REPORTS, aud: Sequence[str] = (STS,), keys: Mapping[str, tuple[str, ...]] | None = None
) -> Request:
    """A request with a token; `keys` adds condition keys that are known, or known to be absent if empty."""
    made = web_identity_request(PROVIDER, {"sub": [sub], "aud": aud})
    known = {name.lower(): values for name, values in (keys or {}).items()}
    return Request(made.action, made.principal, {**made.keys, **known})
