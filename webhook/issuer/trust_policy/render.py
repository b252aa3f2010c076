"""Writes a trust policy: who of a cluster may assume a role, as strictly as the subjects allow."""

from collections.abc import Sequence
from typing import Any

from webhook.issuer.trust_policy.document import CURRENT_VERSION
from webhook.issuer.trust_policy.provider import ProviderArn
from webhook.issuer.trust_policy.request import ASSUME_ROLE_WITH_WEB_IDENTITY
from webhook.issuer.trust_policy.subjects import Subject


def render_policy(provider: ProviderArn, subjects: Sequence[Subject], audience: str) -> dict[str, Any]:
    """Returns the policy that lets `subjects` assume the role, with a token for `audience`.

    All exact subjects are in one statement, under StringEquals. All patterns are in another, under StringLike: in one
    statement, both would have to hold.
    """
    exact = sorted({str(subject) for subject in subjects if not subject.is_pattern})
    patterns = sorted({str(subject) for subject in subjects if subject.is_pattern})
    statements = []
    if exact:
        equals = {provider.key("aud"): audience, provider.key("sub"): _one_or_list(exact)}
        statements.append(_statement(provider, {"StringEquals": equals}))
    if patterns:
        conditions = {
            "StringEquals": {provider.key("aud"): audience},
            "StringLike": {provider.key("sub"): _one_or_list(patterns)},
        }
        statements.append(_statement(provider, conditions))
    return {"Version": CURRENT_VERSION, "Statement": statements}


def _statement(provider: ProviderArn, conditions: dict[str, Any]) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Federated": str(provider)},
        "Action": ASSUME_ROLE_WITH_WEB_IDENTITY,
        "Condition": conditions,
    }


def _one_or_list(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
