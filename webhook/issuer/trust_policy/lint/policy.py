"""The whole lint of a trust policy."""

from collections.abc import Iterator
from typing import Final

from webhook.issuer.trust_policy.document import Statement, TrustPolicy
from webhook.issuer.trust_policy.lint.actions import allows_web_identity, lint_actions, lint_pod_identity_actions
from webhook.issuer.trust_policy.lint.comparisons import lint_comparisons, lint_variables
from webhook.issuer.trust_policy.lint.finding import Finding
from webhook.issuer.trust_policy.lint.keys import lint_keys, lint_missing
from webhook.issuer.trust_policy.lint.principals import (
    concerns_pod_identity,
    concerns_web_identity,
    lint_principals,
    providers_of,
)
from webhook.issuer.trust_policy.provider import parse_provider_arn

DEFAULT_QUOTA: Final = 2048
"""Characters that a trust policy may have by default (IAM's quota ACLSizePerRole)."""

MAX_QUOTA: Final = 4096
"""Characters to which AWS raises the quota at most."""

_QUOTA_FIX: Final = 'give the subjects to several roles, or have the quota raised (IAM\'s "Role trust policy length")'


def lint(policy: TrustPolicy) -> list[Finding]:
    """Returns the mistakes in a trust policy for ServiceAccounts, in its order; none for a good policy."""
    found = [Finding(problem.rule, problem.path, problem.what, problem.fix) for problem in policy.problems]
    for statement in policy.statements:
        found += _lint_statement(policy, statement)
    found += _lint_whole(policy)
    return sorted(found, key=lambda finding: policy.line_of(finding.path) or 0)


def size_finding(root: str, size: int) -> Finding | None:
    """Returns the finding for a policy that is too long; None if it fits into the default quota."""
    if size > MAX_QUOTA:
        what = f"has {size:,} characters without white space; IAM accepts {MAX_QUOTA:,} at most"
        return Finding("size", root, what, "give the subjects to several roles")
    if size > DEFAULT_QUOTA:
        what = f"has {size:,} characters without white space; the default quota is {DEFAULT_QUOTA:,}"
        return Finding("size", root, what, f"{_QUOTA_FIX}, at most {MAX_QUOTA:,}")
    return None


def _lint_statement(policy: TrustPolicy, statement: Statement) -> Iterator[Finding]:
    is_allow = statement.effect == "Allow"
    if is_allow and concerns_pod_identity(statement):
        yield from lint_pod_identity_actions(statement)
    yield from lint_variables(policy, statement)
    if not concerns_web_identity(statement):
        return
    yield from lint_principals(statement, _account_of(policy.role_arn))
    yield from lint_keys(statement, providers_of(statement))
    yield from lint_comparisons(policy, statement)
    if not is_allow:
        return
    yield from lint_actions(statement)
    # An Allow of another action lets nobody in, so that a condition too few does no harm.
    if allows_web_identity(statement):
        yield from lint_missing(statement)


def _lint_whole(policy: TrustPolicy) -> Iterator[Finding]:
    if finding := size_finding(policy.root, policy.size):
        yield finding
    if not policy.role_arn:
        yield from _lint_accounts(policy)
    allows = [statement for statement in policy.statements if statement.effect == "Allow"]
    if policy.problems or any(concerns_web_identity(statement) for statement in allows):
        return
    if any(concerns_pod_identity(statement) for statement in allows):
        what = (
            "is a policy of EKS Pod Identity, which is another thing: there, an agent on the node assumes the role for "
            "the pod (Service pods.eks.amazonaws.com, sts:AssumeRole and sts:TagSession), and an association in EKS "
            "names the ServiceAccount; a pod with a token of this webhook cannot assume the role"
        )
        fix = "add a statement as 'trust-policy render' writes it; the two can be in one policy"
        yield Finding("pod-identity", policy.root, what, fix)
    else:
        what = "lets no token of an OIDC provider assume the role"
        yield Finding("no-web-identity", policy.root, what, "add a statement as 'trust-policy render' writes it")


def _lint_accounts(policy: TrustPolicy) -> Iterator[Finding]:
    """Yields the providers in another account than the first, if the role's account is not known."""
    first: tuple[str, str] | None = None
    for statement in policy.statements:
        for value in (principal.value for principal in statement.principals if statement.effect == "Allow"):
            provider = parse_provider_arn(value.text)
            if provider is None:
                continue
            account, path = first = first or (provider.account, value.path)
            if provider.account != account:
                what = (
                    f"is a provider in account {provider.account}, and {path} is one in {account}: STS looks for a "
                    "provider in the role's own account only"
                )
                yield Finding("provider-account", value.path, what, "name the providers of the role's own account only")


def _account_of(role_arn: str) -> str:
    parts = role_arn.split(":")
    return parts[4] if len(parts) == 6 else ""
