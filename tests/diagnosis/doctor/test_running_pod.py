from datetime import UTC, datetime
from typing import Any

import pytest

from tests.diagnosis.doctor.objects import IDENTITY, ROLE, TOKEN_FILE, account, bare, injected
from webhook.admission.identity import ServiceAccount
from webhook.admission.settings import Settings
from webhook.diagnosis.doctor.facts import Account, RunningPod
from webhook.diagnosis.doctor.read import Read
from webhook.diagnosis.doctor.running_pod import pod_steps
from webhook.diagnosis.doctor.step import Step
from webhook.diagnosis.own_values import own_values
from webhook.issuer.token import Token

_NOW = datetime(2026, 11, 2, tzinfo=UTC)
_RESTART = "kubectl -n shop rollout restart deployment/reports"
_SKIPPING = account(account=Read(ServiceAccount("shop", "reports", {"role-arn": ROLE, "skip-containers": "app"})))


def _steps(pod: dict[str, Any], of: Account | None = None, symptom: str = "", **members: Any) -> dict[str, Step]:
    running = RunningPod(namespace="shop", name="reports-0", pod=pod, owner="deployment/reports", **members)
    steps = pod_steps(running, IDENTITY, of or account(), Settings(), symptom=symptom, now=_NOW)
    return {step.name: step for step in steps}


def _token(expires: datetime) -> Read[Token]:
    issued = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
    return Read(Token({}, {"iat": issued.timestamp(), "exp": expires.timestamp()}, "text"))


def test_an_injected_pod_is_fine() -> None:
    steps = _steps(injected(), file_token=_token(datetime(2026, 11, 3, tzinfo=UTC)))

    assert {name: (step.status, step.found) for name, step in steps.items()} == {
        "pod-variables": ("ok", "container app"),
        "pod-volume": ("ok", "aws-iam-token, audience sts.amazonaws.com"),
        "pod-mount": ("ok", "/var/run/secrets/eks.amazonaws.com/serviceaccount"),
        "pod-region": ("skipped", "container app has no AWS_DEFAULT_REGION; the program may have one of its own"),
        "pod-token": ("ok", "30 minutes old, until 2026-11-03T00:00:00Z"),
    }


_NEITHER = "container app has neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE: the pod is of 2026-11-01T10:00:00Z"
_OTHER_ROLE = [
    {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::111122223333:role/other"},
    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": TOKEN_FILE},
]


def _with_env(env: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    pod = injected()
    pod["spec"]["containers"][0].update({"env": env, **changes})
    return pod


@pytest.mark.parametrize(
    ("pod", "of", "found", "anchor", "then"),
    [
        pytest.param(
            bare(),
            account(annotated_at=datetime(2026, 11, 1, 11, tzinfo=UTC)),
            f"{_NEITHER}, the role's annotation of 2026-11-01T11:00:00Z",
            "no-aws_role_arn",
            _RESTART,
            id="older than the annotation",
        ),
        pytest.param(
            bare(),
            account(),
            f"{_NEITHER}: it is older than the role, or the webhook was not asked then, or did not answer",
            "no-aws_role_arn",
            _RESTART,
            id="not injected, and nobody knows why",
        ),
        pytest.param(
            injected(env=[{"name": "AWS_ACCESS_KEY_ID", "value": "AKIA"}]),
            account(),
            "container app: AWS_ACCESS_KEY_ID goes before the role",
            "the-pods-own-credentials-go-first",
            "remove AWS_ACCESS_KEY_ID from the container",
            id="static keys",
        ),
        pytest.param(
            _with_env(_OTHER_ROLE),
            account(),
            f"container app has arn:aws:iam::111122223333:role/other; a new pod would get {ROLE}",
            "no-aws_role_arn",
            _RESTART,
            id="another role",
        ),
        pytest.param(
            _with_env([_OTHER_ROLE[0]], volumeMounts=[]),
            account(),
            "container app: AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not, so the webhook added neither",
            "the-pods-own-credentials-go-first",
            "take AWS_ROLE_ARN out of the pod's manifest, and create the pod again",
            id="a role of the manifest, without a token",
        ),
        pytest.param(
            _with_env([{"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/tmp/token"}], volumeMounts=[]),
            account(),
            "container app: AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not, so the webhook added neither",
            "the-pods-own-credentials-go-first",
            "take AWS_WEB_IDENTITY_TOKEN_FILE out of the pod's manifest, and create the pod again",
            id="a token file of the manifest, without a role",
        ),
        pytest.param(
            _with_env(injected()["spec"]["containers"][0]["env"], volumeMounts=[]),
            account(),
            "",
            "",
            "",
            id="variables alone are for the step of the mount",
        ),
        pytest.param(
            bare(),
            _SKIPPING,
            "container app: left out by skip-containers or only-containers",
            "no-aws_role_arn",
            "change that annotation, and create the pod again",
            id="every container is left out",
        ),
    ],
)
def test_the_variables(pod: dict[str, Any], of: Account, found: str, anchor: str, then: str) -> None:
    step = _steps(pod, of)["pod-variables"]

    if found:
        assert (step.status, step.found, step.anchor, step.next) == ("failed", found, anchor, then)
    else:
        assert (step.status, step.found) == ("ok", "container app")


_OURS = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": TOKEN_FILE}
_SOURCES = [{"secretRef": {"name": "aws"}}]


def test_static_keys_that_only_a_process_in_the_container_sees_win() -> None:
    step = _steps(injected(envFrom=_SOURCES), variables={"app": Read({**_OURS, "AWS_ACCESS_KEY_ID": "set"})})

    assert (step["pod-variables"].status, step["pod-variables"].found, step["pod-variables"].next) == (
        "failed",
        "container app: AWS_ACCESS_KEY_ID (from envFrom or the image) goes before the role",
        "remove AWS_ACCESS_KEY_ID from what envFrom names, or from the image",
    )


def test_a_region_that_only_a_process_in_the_container_sees_is_there() -> None:
    step = _steps(injected(envFrom=_SOURCES), variables={"app": Read({**_OURS, "AWS_DEFAULT_REGION": "eu-west-1"})})

    assert (step["pod-variables"].status, step["pod-region"].status) == ("ok", "ok")


@pytest.mark.parametrize(
    ("members", "status", "found"),
    [
        pytest.param({"envFrom": _SOURCES}, "unknown", "what envFrom sets in container app: 403", id="with envFrom"),
        pytest.param({}, "ok", "container app", id="without"),
    ],
)
def test_what_envfrom_sets_is_unknown_if_nobody_may_look(members: dict[str, Any], status: str, found: str) -> None:
    step = _steps(injected(**members), variables={"app": Read(None, "403")})["pod-variables"]

    assert (step.status, step.found) == (status, found)


def test_a_role_of_the_manifest_is_not_said_to_change_with_a_new_pod() -> None:
    pod = _with_env(_OTHER_ROLE)

    step = _steps(pod, own=own_values(pod))["pod-variables"]

    assert (step.status, step.found, step.anchor, step.next) == (
        "failed",
        f"container app has arn:aws:iam::111122223333:role/other from its manifest, so the webhook does not add {ROLE}",
        "the-pods-own-credentials-go-first",
        "take AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE out of the pod's manifest, and create the pod again",
    )


def test_variables_without_a_mount_lead_to_the_mount() -> None:
    step = _steps(_with_env(injected()["spec"]["containers"][0]["env"], volumeMounts=[]))["pod-mount"]

    assert (step.status, step.found, step.anchor) == (
        "failed",
        "container app has no mount at /var/run/secrets/eks.amazonaws.com/serviceaccount",
        "no-such-file-or-directory-token",
    )


def test_a_pod_without_the_volume_lacks_it() -> None:
    step = _steps(bare())["pod-volume"]

    assert (step.status, step.found, step.next) == ("failed", "there is no volume aws-iam-token", _RESTART)


def test_a_token_for_another_audience_is_named() -> None:
    pod = injected()
    pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"] = "other"

    step = _steps(pod)["pod-volume"]

    assert (step.status, step.found, step.anchor) == (
        "failed",
        "its token is for other; a new pod would get sts.amazonaws.com",
        "incorrect-token-audience",
    )


def test_without_the_running_flags_another_audience_or_path_is_no_fault() -> None:
    pod = _with_env(injected()["spec"]["containers"][0]["env"], volumeMounts=[])
    pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"] = "other"
    running = RunningPod(namespace="shop", name="reports-0", pod=pod, owner="deployment/reports")

    steps = pod_steps(running, IDENTITY, account(), Settings(), symptom="", now=_NOW, are_flags_known=False)

    why = "whether a new pod would get another is not known without the flags of the running webhook"
    assert [(step.name, step.status, step.found) for step in steps[1:3]] == [
        ("pod-volume", "unknown", f"its token is for other: {why}"),
        (
            "pod-mount",
            "unknown",
            f"container app has no mount at /var/run/secrets/eks.amazonaws.com/serviceaccount: {why}",
        ),
    ]


def test_a_missing_region_fails_only_if_the_error_says_so() -> None:
    env = [{"name": "AWS_REGION", "value": "eu-west-1"}]
    said = "container app has no AWS_DEFAULT_REGION, only AWS_REGION, which boto3 and the AWS CLI 1 ignore"

    asked, unasked = (_steps(injected(env=env), symptom=symptom)["pod-region"] for symptom in ("pod-region", ""))

    assert (asked.status, asked.found, asked.anchor) == ("failed", said, "you-must-specify-a-region")
    assert (unasked.status, unasked.found) == ("skipped", f"{said}; the program may have one of its own")


def test_a_token_that_has_expired_is_named() -> None:
    step = _steps(injected(), file_token=_token(datetime(2026, 11, 1, 23, 55, tzinfo=UTC)))["pod-token"]

    assert (step.status, step.found, step.anchor) == (
        "failed",
        "it expired at 2026-11-01T23:55:00Z",
        "expiredtokenexception",
    )
