"""What `trust-policy render` prints."""

import json

import pytest

from tests.commands.outcome import Outcome, assert_golden, run
from webhook.commands.trust_policy.flags import RENDER_FLAGS

START = "pod-identity-webhook trust-policy render: "
PROVIDER = ("--issuer", "https://oidc.example.com/c1", "--account", "111122223333")
NAMESPACE_WARNING = "warning: shop/*: every pod of the namespace may assume the role; name the ServiceAccounts"
NAME_WARNING = (
    "warning: */web: whoever can create a namespace, or this ServiceAccount in theirs, may assume the role; name the "
    "namespaces"
)


def render(*subjects: str, flags: tuple[str, ...] = ()) -> Outcome:
    given = [word for subject in subjects for word in ("--service-account", subject)]
    return run("trust-policy", "render", *PROVIDER, *given, *flags)


@pytest.mark.parametrize("output", ["json", "terraform"])
def test_the_policy_of_exact_subjects(output: str) -> None:
    outcome = render("shop/reports", "shop/web", flags=("--output", output))

    assert (outcome.code, outcome.err) == (0, "")
    assert_golden(f"trust-policy-render.{output}", outcome.out)


@pytest.mark.parametrize("output", ["json", "terraform"])
def test_the_policy_of_patterns_with_a_warning_for_each(output: str) -> None:
    outcome = render("jobs/report", "shop/*", "*/web", flags=("-o", output))

    assert (outcome.code, outcome.err) == (0, f"{START}{NAMESPACE_WARNING}\n{START}{NAME_WARNING}\n")
    assert_golden(f"trust-policy-render-patterns.{output}", outcome.out)


def test_partition_and_audience_are_those_of_the_flags() -> None:
    outcome = render("shop/web", flags=("--partition", "aws-cn", "--audience", "vault"))

    (statement,) = json.loads(outcome.out)["Statement"]
    assert statement["Principal"] == {"Federated": "arn:aws-cn:iam::111122223333:oidc-provider/oidc.example.com/c1"}
    assert statement["Condition"]["StringEquals"]["oidc.example.com/c1:aud"] == "vault"


def test_the_same_subject_twice_is_there_once() -> None:
    assert render("shop/web", "shop/web") == render("shop/web")


SIZES = {
    "too long for the default quota": (
        60,
        0,
        (
            f"{START}warning: the policy has 2,441 characters without white space; the default quota is 2,048; give "
            "the subjects to several roles, or have the quota raised (IAM's "
            '"Role trust policy length"), at most 4,096\n'
        ),
    ),
    "too long for any quota": (
        120,
        1,
        (
            f"{START}error: the policy has 4,621 characters without white space; IAM accepts 4,096 at most; give the "
            "subjects to several roles\n"
        ),
    ),
    "short enough": (40, 0, ""),
}


@pytest.mark.parametrize(("count", "code", "said"), SIZES.values(), ids=SIZES)
def test_a_policy_that_is_too_long_is_printed_and_the_size_said(count: int, code: int, said: str) -> None:
    outcome = render(*(f"shop/app-{index}" for index in range(count)))

    assert (outcome.code, outcome.err) == (code, said)
    (statement,) = json.loads(outcome.out)["Statement"]
    assert len(statement["Condition"]["StringEquals"]["oidc.example.com/c1:sub"]) == count


def test_the_subjects_may_be_in_the_environment() -> None:
    environ = {"PIW_TRUST_POLICY_RENDER_SERVICE_ACCOUNT": "shop/reports,shop/web"}

    assert run("trust-policy", "render", *PROVIDER, environ=environ) == render("shop/reports", "shop/web")
    assert {flag.variable for flag in RENDER_FLAGS if flag.name == "service-account"} == environ.keys()
