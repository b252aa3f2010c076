"""Mistakes in the condition keys: of which provider and claim they are, and whether `sub` and `aud` are compared."""

from collections.abc import Iterable, Iterator
from typing import Final

from webhook.issuer.trust_policy.document import Condition, Statement
from webhook.issuer.trust_policy.lint.finding import Finding
from webhook.issuer.trust_policy.operators import parse_operator
from webhook.issuer.trust_policy.provider import ProviderArn

CLAIMS: Final = ("sub", "aud", "azp", "amr")


def claim_of(condition: Condition) -> str:
    """Returns the claim that the condition's key names, such as `sub`; empty if it is no key of a provider."""
    prefix, _, claim = condition.key.lower().rpartition(":")
    return claim if claim in CLAIMS and _is_host(prefix) else ""


def lint_keys(statement: Statement, providers: Iterable[ProviderArn]) -> Iterator[Finding]:
    """Yields the keys that are of another provider than the statement's, or of no claim that IAM knows."""
    paths = {provider.path.lower(): provider.path for provider in providers}
    if not paths:
        return
    if len(paths) > 1 and statement.effect == "Allow" and any(claim_of(each) for each in statement.conditions):
        what = "names several providers, but a token has the condition keys of its own provider only"
        yield Finding("several-providers", statement.path, what, "write a statement for each provider")
    for condition in statement.conditions:
        prefix, _, claim = condition.key.rpartition(":")
        lower, wanted = prefix.lower(), " or ".join(f"{path}:{claim}" for path in paths.values())
        if lower in paths and claim.lower() not in CLAIMS:
            what = f"is no condition key: IAM has keys for the claims {', '.join(CLAIMS)} only"
            yield Finding("unknown-claim", condition.path, what, f"use {prefix}:sub and {prefix}:aud")
        elif claim_of(condition) and lower not in paths:
            if "://" in prefix:
                what = "has a scheme (https://), which is no part of a condition key"
                yield Finding("key-scheme", condition.path, what, f"write {wanted}")
            elif lower.rstrip("/") in paths:
                what = "has a slash before the colon, so it is not the key of the statement's provider"
                yield Finding("trailing-slash", condition.path, what, f"write {wanted}")
            else:
                what = "is a key of another provider than the one in Principal.Federated, so the request lacks it"
                yield Finding("key-prefix", condition.path, what, f"write {wanted}")


def lint_missing(statement: Statement) -> Iterator[Finding]:
    """Yields a finding if an Allow compares no `sub`, and one if it compares no `aud`."""
    # A key with another mistake, such as a wrong prefix, is there: that mistake is the finding.
    compared = {claim_of(each) for each in statement.conditions if _compares(each)}
    if "sub" not in compared:
        what = "has no condition on the token's sub: every pod of the cluster may assume the role"
        yield Finding("no-sub", statement.path, what, _missing_fix(statement, "sub"))
    if "aud" not in compared:
        what = "has no condition on the token's aud: tokens for other audiences of the provider may assume the role"
        yield Finding("no-aud", statement.path, what, _missing_fix(statement, "aud"))


def _compares(condition: Condition) -> bool:
    operator = parse_operator(condition.operator)
    return operator is None or operator.base is not None


def _missing_fix(statement: Statement, claim: str) -> str:
    value = "system:serviceaccount:NAMESPACE:NAME" if claim == "sub" else "sts.amazonaws.com"
    federated = [each.value.text for each in statement.principals if "oidc-provider/" in each.value.text]
    path = federated[0].partition("oidc-provider/")[2].removeprefix("https://").rstrip("/") if federated else "ISSUER"
    return f'add "{path}:{claim}": "{value}" under StringEquals'


def _is_host(prefix: str) -> bool:
    """Whether a key's prefix can be an issuer: `sts` and `aws` are none."""
    return "." in prefix.partition("://")[2 if "://" in prefix else 0].partition("/")[0]
