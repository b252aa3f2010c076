"""Trust policies as text, for roles of the stand-in."""

import json

from webhook.issuer.trust_policy.provider import ProviderArn


def trust_policy(
    provider: ProviderArn,
    subject: str,
    *,
    audience: str = "sts.amazonaws.com",
    operator: str = "StringEquals",
    action: str = "sts:AssumeRoleWithWebIdentity",
    prefix: str | None = None,
) -> str:
    """Returns a policy for one subject; `prefix` is the condition keys' prefix if it is not the provider's."""
    issuer = provider.path if prefix is None else prefix
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": str(provider)},
        "Action": action,
        "Condition": {operator: {f"{issuer}:sub": subject, f"{issuer}:aud": audience}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
