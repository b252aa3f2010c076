import pytest

from tests.diagnosis.doctor.objects import ROLE, account, without_role
from webhook.admission.settings import Settings
from webhook.diagnosis.doctor.account import account_step
from webhook.diagnosis.doctor.facts import Account
from webhook.diagnosis.doctor.read import Read

_ANNOTATE = (
    "kubectl -n shop annotate serviceaccount reports eks.amazonaws.com/role-arn=arn:aws:iam::ACCOUNT:role/ROLE "
    "--overwrite"
)


@pytest.mark.parametrize(
    ("facts", "status", "found", "then"),
    [
        pytest.param(account(), "ok", ROLE, "", id="a role"),
        pytest.param(
            account(account=Read()),
            "failed",
            "there is no ServiceAccount shop/reports",
            "kubectl -n shop create serviceaccount reports",
            id="no ServiceAccount",
        ),
        pytest.param(
            account(account=Read(None, "get: 403 (grant …)")), "unknown", "get: 403 (grant …)", "", id="no right"
        ),
        pytest.param(
            account(identity=without_role("ServiceAccount shop/reports has no annotation")),
            "failed",
            "ServiceAccount shop/reports has no annotation",
            _ANNOTATE,
            id="no annotation",
        ),
        pytest.param(
            account(
                identity=without_role("it has none"), warnings=["without effect: ServiceAccount annotation role_arn"]
            ),
            "failed",
            "it has none; without effect: ServiceAccount annotation role_arn",
            _ANNOTATE,
            id="a typing error in the annotation's key",
        ),
        pytest.param(
            account(identity=without_role("it has none"), mapping_problem="the ConfigMap: 403"),
            "unknown",
            "it has none, and mappings of roles are not known: the ConfigMap: 403",
            "",
            id="no annotation, and the mappings could not be read",
        ),
        pytest.param(
            account(warnings=["injected unchanged: annotation …/role-arn: 's3-reader' is not a role ARN"]),
            "failed",
            "annotation …/role-arn: 's3-reader' is not a role ARN",
            _ANNOTATE,
            id="no role ARN",
        ),
    ],
)
def test_the_serviceaccount(facts: Account, status: str, found: str, then: str) -> None:
    step = account_step(facts, Settings())

    assert (step.status, step.found, step.next) == (status, found, then)
    assert step.anchor == ("the-serviceaccount-has-no-usable-role" if status == "failed" else "")


def test_without_its_namespace_the_namespace_is_what_is_missing() -> None:
    step = account_step(account(account=Read()), Settings(), has_namespace=False)

    assert (step.found, step.next) == ("there is no namespace shop", "kubectl create namespace shop")
