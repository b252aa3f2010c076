"""AWS's side: the provider in IAM, its client IDs, the role's trust policy, and the answer of STS.

Commands to paste quote what comes from annotations.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from shlex import quote
from typing import Final

from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.facts import Assumption, Published, Role
from webhook.diagnosis.doctor.questions import ASSUME, AUDIENCE, PROVIDER, TRUST
from webhook.diagnosis.doctor.step import Step
from webhook.issuer.json_object import DocumentError
from webhook.issuer.token import Token
from webhook.issuer.trust_policy.document import TrustPolicy, read_policy
from webhook.issuer.trust_policy.evaluation import StatementResult, Verdict, evaluate
from webhook.issuer.trust_policy.lint.policy import lint
from webhook.issuer.trust_policy.provider import ProviderArn, without_scheme
from webhook.issuer.trust_policy.request import web_identity_request

_USUAL_AUDIENCE: Final = "sts.amazonaws.com"
_NOT_SEEN: Final = "AWS's side cannot be seen from here"
_LOOK: Final = "--role-from-aws looks (aws CLI), --assume-role asks STS"

_SECTIONS: Final = (
    ("No OpenIDConnect provider found", sections.NO_PROVIDER),
    ("Couldn't retrieve verification key", sections.NO_KEY),
    ("Incorrect token audience", sections.WRONG_AUDIENCE),
    ("ExpiredTokenException", sections.EXPIRED_TOKEN),
    ("IDPCommunicationError", sections.ISSUER_UNREACHABLE),
)
_REMEDIES: Final = {
    sections.NO_PROVIDER: "create the provider for this issuer in the role's account, with the client ID "
    "sts.amazonaws.com",
    sections.NO_KEY: "publish the documents of the cluster: issuer render --live, issuer publish",
    sections.WRONG_AUDIENCE: "add the token's audience to the provider "
    "(aws iam add-client-id-to-open-id-connect-provider), or correct the annotation audience or --token-audience",
    sections.EXPIRED_TOKEN: "set the clocks of this machine and of the control plane",
    sections.ISSUER_UNREACHABLE: "make the issuer's host reachable from the internet within 5 s",
    sections.ACCESS_DENIED: "look at the trust policy (--role-from-aws), and whether the role exists",
}


def provider_of(role_arn: str, issuer: str) -> ProviderArn | None:
    """Returns the provider of `issuer` that STS looks for: in the account of the role; None if the ARN has none."""
    parts = role_arn.split(":")
    return ProviderArn(parts[1], parts[4], without_scheme(issuer)) if len(parts) == 6 and issuer else None


def provider_step(role: Role | None, provider: ProviderArn | None) -> Step:
    """Checks that the role's account has a provider for the issuer, to the letter."""
    if provider is None:
        return PROVIDER.skipped("the role's account and the issuer are not both known")
    if role is None or role.client_ids is None:
        return PROVIDER.unknown(f"{_NOT_SEEN}: is there {provider}?", _LOOK)
    if role.client_ids.problem:
        return PROVIDER.unknown(role.client_ids.problem)
    if role.client_ids.value is not None:
        return PROVIDER.ok(str(provider))
    near = [url for url in role.providers if url.rstrip("/") == provider.path.rstrip("/")]
    create = (
        f"aws iam create-open-id-connect-provider --url {quote(f'https://{provider.path}')} "
        f"--client-id-list {_USUAL_AUDIENCE}, "
        f"in account {provider.account}"
    )
    if near:
        return PROVIDER.failed(
            f"there is {near[0]}, which differs in the slash at the end: not {provider.path}", create
        )
    others = f"; it has {', '.join(role.providers[:3])}" if role.providers else ""
    return PROVIDER.failed(f"account {provider.account} has no provider {provider.path}{others}", create)


def audience_step(role: Role | None, published: Published, provider: ProviderArn | None) -> Step:
    """Checks that the provider has the audience of the pods' tokens among its client IDs."""
    audience = published.audience
    if not audience:
        return AUDIENCE.skipped("it is not known what audience the pods' tokens have")
    client_ids = role.client_ids.value if role is not None and role.client_ids is not None else None
    if client_ids is not None:
        if audience in client_ids:
            return AUDIENCE.ok(audience)
        then = (
            f"aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {quote(str(provider))} "
            f"--client-id {quote(audience)}"
        )
        if audience != _USUAL_AUDIENCE:
            then = f"correct the annotation audience or --token-audience, or: {then}"
        return AUDIENCE.failed(f"the token is for {audience}; the provider has {', '.join(client_ids)}", then)
    if role is not None and role.client_ids is not None and role.client_ids.is_missing:
        return AUDIENCE.skipped("there is no provider")
    if audience != _USUAL_AUDIENCE:
        return AUDIENCE.unknown(
            f"the annotation or --token-audience asks for {audience!r}: the provider must have it; {_NOT_SEEN}",
            _LOOK,
        )
    return AUDIENCE.unknown(f"{audience}, the usual one; {_NOT_SEEN}", _LOOK)


def trust_step(
    role: Role | None, role_arn: str, token: Token | None, published: Published, subject: str, now: datetime
) -> Step:
    """Evaluates the trust policy as IAM does, for the token, or for what a token would have."""
    if not role_arn:
        return TRUST.skipped("there is no role")
    if role is None:
        return TRUST.unknown(f"{_NOT_SEEN}: no trust policy was given", "give --trust-policy FILE, or --role-from-aws")
    if role.policy.problem:
        return TRUST.unknown(role.policy.problem)
    if role.policy.value is None:
        then = "correct the annotation role-arn, or create the role"
        return TRUST.failed(f"{role.source}: there is no role {role_arn}", then)
    provider = provider_of(role_arn, published.issuer)
    if provider is None:
        return TRUST.unknown("the issuer is not known", "set --issuer")
    try:
        policy = read_policy(role.policy.value)
    except DocumentError as error:
        return TRUST.failed(f"{role.source}: {error}", "trust-policy render prints one that AWS accepts")
    claims = {"sub": (subject,), "aud": token.aud if token is not None else (published.audience,)}
    verdict = evaluate(policy, web_identity_request(provider, claims, now=now))
    if verdict.outcome == "allowed":
        return TRUST.ok(f"{subject} ({role.source})")
    found = "; ".join([verdict.reason, *_reasons(verdict)])
    if verdict.outcome == "undetermined":
        return TRUST.unknown(f"{role.source}: {found}", "trust-policy explain shows each condition")
    return TRUST.failed(f"{role.source}: {found}", _policy_fix(policy, provider, subject, published.issuer))


def assume_step(answer: Assumption | None, skipped: str = "") -> Step:
    """Judges the answer of STS to a real call; `skipped` says why there was none."""
    if answer is None:
        return ASSUME.skipped(skipped or "only with --assume-role")
    if answer.arn:
        return ASSUME.ok(answer.arn)
    if answer.problem:
        return ASSUME.unknown(
            f"{answer.endpoint}: {answer.problem}", "AWS_ENDPOINT_URL_STS or AWS_REGION set the endpoint"
        )
    said = f"{answer.code}: {answer.message}"
    tried = f" (for {answer.seconds:.0f} s)" if answer.seconds >= 1 else ""
    anchor = next((anchor for words, anchor in _SECTIONS if words in said), sections.ACCESS_DENIED)
    return ASSUME.failed(f"{said}{tried}", _REMEDIES[anchor], anchor)


def _reasons(verdict: Verdict) -> Iterator[str]:
    """Yields what keeps each Allow from applying, with both sides of the comparison."""
    for result in verdict.statements:
        if result.statement.effect == "Allow" and result.applies is not True:
            yield from _obstacles(result)


def _obstacles(result: StatementResult) -> Iterator[str]:
    path = result.statement.path
    if result.principal.holds is not True:
        named = ", ".join(each.value.text for each in result.statement.principals)
        yield f"{path}: {result.principal.reason}: it names {named}"
    if result.action.holds is not True:
        named = ", ".join(each.text for each in result.statement.actions)
        yield f"{path}: {result.action.reason}: {named}"
    for each in result.conditions:
        if each.holds is not True:
            wanted = ", ".join(value.text for value in each.condition.values)
            actual = ", ".join(each.actual) if each.actual else "no such key" if each.actual == () else "not known"
            yield f"{each.condition.operator} {each.condition.key}: the policy has {wanted}, the token {actual}"


def _policy_fix(policy: TrustPolicy, provider: ProviderArn, subject: str, issuer: str) -> str:
    fixes = [finding.fix for finding in lint(policy)]
    account = subject.removeprefix("system:serviceaccount:").replace(":", "/")
    render = (
        f"pod-identity-webhook trust-policy render --issuer {quote(issuer)} --account {quote(provider.account)} "
        f"--service-account {account} prints one that allows it"
    )
    return f"{fixes[0]}; {render}" if fixes else render


def is_denied(steps: Mapping[str, Step]) -> bool:
    """Whether it is known already that STS refuses: then trying again for a while is of no use."""
    known = (steps.get(question.name) for question in (TRUST, PROVIDER, AUDIENCE))
    return any(step is not None and step.status == "failed" for step in known)
