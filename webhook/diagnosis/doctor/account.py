"""The ServiceAccount: whether it is there, and whether its role can be used."""

from typing import Final

from webhook.admission.annotations import ROLE_ARN
from webhook.admission.identity import NoIdentity
from webhook.admission.settings import Settings
from webhook.diagnosis.doctor.facts import Account
from webhook.diagnosis.doctor.questions import ACCOUNT
from webhook.diagnosis.doctor.step import Step

_EXAMPLE: Final = "arn:aws:iam::ACCOUNT:role/ROLE"


def account_step(facts: Account, settings: Settings, *, has_namespace: bool = True) -> Step:
    """Checks that the ServiceAccount exists, and that it has a role in a form that AWS knows."""
    who = f"{facts.namespace}/{facts.name}"
    key = f"{settings.own_prefix}{ROLE_ARN}"
    annotate = f"kubectl -n {facts.namespace} annotate serviceaccount {facts.name} {key}={_EXAMPLE} --overwrite"
    if facts.account.problem:
        return ACCOUNT.unknown(facts.account.problem)
    if facts.account.is_missing and not has_namespace:
        return ACCOUNT.failed(f"there is no namespace {facts.namespace}", f"kubectl create namespace {facts.namespace}")
    if facts.account.is_missing:
        return ACCOUNT.failed(
            f"there is no ServiceAccount {who}", f"kubectl -n {facts.namespace} create serviceaccount {facts.name}"
        )
    identity = facts.identity
    if identity is None:
        return ACCOUNT.unknown("the role is not known")
    if isinstance(identity, NoIdentity):
        if facts.mapping_problem:
            return ACCOUNT.unknown(f"{identity.message}, and mappings of roles are not known: {facts.mapping_problem}")
        typing_error = next((text for text in facts.warnings if text.startswith("without effect:")), "")
        found = f"{identity.message}; {typing_error}" if typing_error else identity.message
        return ACCOUNT.failed(found, annotate)
    invalid = next((text for text in facts.warnings if text.startswith("injected unchanged:")), "")
    if invalid:
        return ACCOUNT.failed(invalid.removeprefix("injected unchanged: "), annotate)
    if identity.method == "container_credentials":
        return ACCOUNT.ok("it gets container credentials (EKS Pod Identity), not a role of its own")
    return ACCOUNT.ok("; ".join([identity.role_arn, *facts.warnings]))
