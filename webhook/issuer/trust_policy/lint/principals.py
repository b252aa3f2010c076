"""Mistakes in the principals of a statement, and which OIDC providers it names."""

import re
from collections.abc import Iterator
from typing import Final

from webhook.issuer.trust_policy.document import Principal, Statement
from webhook.issuer.trust_policy.lint.finding import Finding
from webhook.issuer.trust_policy.provider import ProviderArn, parse_provider_arn

POD_IDENTITY: Final = "pods.eks.amazonaws.com"

_BUILT_IN: Final = frozenset(
    {"accounts.google.com", "www.amazon.com", "graph.facebook.com", "cognito-identity.amazonaws.com"}
)
_ARN_FIX: Final = "write arn:PARTITION:iam::ACCOUNT:oidc-provider/HOST/PATH"
_OIDC: Final = re.compile(r"(?P<head>arn:[^:]*:iam:[^:]*:)(?P<account>[^:]*):oidc-provider/(?P<path>.*)", re.DOTALL)


def providers_of(statement: Statement) -> list[ProviderArn]:
    """Returns the OIDC providers that the statement names well enough to know which ones are meant."""
    return [provider for each in statement.principals if (provider := _meant(each.value.text)) is not None]


def concerns_web_identity(statement: Statement) -> bool:
    """Whether the statement is about tokens of OIDC providers of one's own, or about everyone."""
    return any(
        each.value.text == "*"
        or "oidc-provider" in each.value.text
        or (each.kind == "Federated" and each.value.text not in _BUILT_IN and ":saml-provider/" not in each.value.text)
        for each in statement.principals
    )


def concerns_pod_identity(statement: Statement) -> bool:
    """Whether the statement is that of EKS Pod Identity."""
    return any(each.kind == "Service" and each.value.text == POD_IDENTITY for each in statement.principals)


def lint_principals(statement: Statement, role_account: str) -> Iterator[Finding]:
    """Yields the mistakes in the principals; `role_account` is the role's account, or empty if unknown."""
    for principal in statement.principals:
        text, path = principal.value.text, principal.value.path
        if text == "*":
            if statement.effect == "Allow":
                yield Finding("everyone", path, "lets everyone in, not only one OIDC provider", _ARN_FIX)
        elif "*" in text or "?" in text:
            yield Finding("principal-wildcard", path, "has a wildcard, which matches nothing in a principal", _ARN_FIX)
        elif principal.kind != "Federated":
            if "oidc-provider/" in text:
                what = f"names an OIDC provider under {principal.kind}, where it matches nothing"
                yield Finding("principal-kind", path, what, "move it to Principal.Federated")
        else:
            yield from _lint_federated(principal, role_account)


def _lint_federated(principal: Principal, role_account: str) -> Iterator[Finding]:
    text, path = principal.value.text, principal.value.path
    if text in _BUILT_IN or ":saml-provider/" in text:
        return
    match = _OIDC.fullmatch(text)
    if match is None:
        yield Finding("provider-arn", path, "is no ARN of an OIDC provider", _ARN_FIX)
        return
    account, url = match["account"], match["path"]
    if not re.fullmatch(r"[0-9]{12}", account, re.ASCII):
        yield Finding("provider-arn", path, f"has the account {account!r}, which is not 12 digits", _ARN_FIX)
    elif role_account and account != role_account:
        what = f"is a provider in account {account}, but the role is in {role_account}"
        yield Finding("provider-account", path, what, "create the provider in the role's own account, and name that")
    if "://" in url:
        what = "has a scheme (https://), which is no part of a provider's ARN"
        yield Finding("provider-arn", path, what, f"write …:oidc-provider/{url.partition('://')[2]}")
    if url.endswith("/"):
        what = "ends with a slash, so it is another provider than the one without"
        yield Finding("trailing-slash", path, what, "remove the slash, so that it is the ARN that IAM lists")
    plain = f"{match['head']}{'0' * 12}:oidc-provider/{url.partition('://')[2] or url}"
    if not url.strip("/") or re.search(r"\s", url) or parse_provider_arn(plain) is None:
        yield Finding("provider-arn", path, "is no ARN of an OIDC provider", _ARN_FIX)


def _meant(text: str) -> ProviderArn | None:
    """Returns the provider that is meant, even if its ARN has a mistake that another finding names."""
    match = _OIDC.fullmatch(text)
    if match is None:
        return None
    path = match["path"].partition("://")[2] if "://" in match["path"] else match["path"]
    return ProviderArn(match["head"].split(":")[1], match["account"], path.rstrip("/")) if path else None
