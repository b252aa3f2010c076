"""The policy reports a faulty ServiceAccount when it is applied, and agrees with admission about its pods."""

from collections.abc import Iterator
from itertools import count
from typing import Final

import helm_python
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.charts.matrix import POLICIES as POLICIES_OF_ALL_KINDS
from tests.charts.rendering import CHART, Values, merged
from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE, service_account, service_accounts
from tests.e2e.policies import KINDS, applied
from tests.e2e.waiting import wait_until
from tests.features import Feature
from webhook.admission.annotations import ROLE_ARN, ROLE_SESSION_NAME, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION
from webhook.admission.identity import Identity, OtherSources, ServiceAccount, resolve
from webhook.admission.injection import session_name_of
from webhook.admission.settings import Settings

NEEDS_POLICIES: Final = pytest.mark.needs(Feature.ADMISSION_POLICIES)
NAMES: Final = count(1)
POLICIES: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
NOBODYS: Final[Values] = {"mutatingWebhook": {"objectSelector": {"matchLabels": {"nobody": "here"}}}}
DENY: Final[Values] = merged(NOBODYS, {"serviceAccountPolicy": {"action": "Deny"}})
COMPOSE: Final[Values] = {"config": {"extraArgs": ["--compose-role-arn"]}}
SETTINGS: Final = {
    False: Settings(),
    True: Settings(compose_role_arn=True, aws_account_id="111122223333", aws_partition="aws"),
}

ROLE_ARNS: Final = [
    ROLE,
    "arn:aws-us-gov:iam::111122223333:role/a/path/and+=,.@-_name",
    "arn:aws:iam::111122223333:role//",
    f"arn:aws:iam::111122223333:role/{'x' * 2017}",
    f"arn:aws:iam::111122223333:role/{'x' * 2018}",
    "",
    " ",
    f"{ROLE} ",
    f" {ROLE}",
    f"{ROLE}\n",
    f"{ROLE}\nmore",
    f"{ROLE}\u00e9",
    "reader",
    "/teams/reader",
    "//reader",
    "/",
    "//",
    "a reader",
    "arn:",
    "arn:reader",
    "x-arn:aws:iam::111122223333:role/reader",
    "arn:aws:iam::11112222333:role/reader",
    "arn:aws:iam::1111222233334:role/reader",
    "arn:aws:iam::\u0661\u0661\u0661\u0661\u0662\u0662\u0662\u0662\u0663\u0663\u0663\u0663:role/reader",
    "arn:aws:iam::111122223333:role/",
    "arn:aws:iam::111122223333:user/reader",
    "arn:AWS:iam::111122223333:role/reader",
    "arn:aws:sts::111122223333:assumed-role/reader/session",
    "arn:aws:iam:eu-west-1:111122223333:role/reader",
]
BOOLS: Final = ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"]
NO_BOOLS: Final = ["", "tRUE", "yes", "on", "2", " true", "true\n", "\uff11"]
INTEGERS: Final = [
    *(
        "86400",
        "600",
        "1",
        "0",
        "-1",
        "+600",
        "-0",
        "00000000000000000000086400",
        "+",
        "-",
        "",
        "6e2",
        "600.0",
        "1_000",
    ),
    *("0x10", " 600", "600 ", "600\n", "--1", "+-1", "12h", "\u0661", "4294967296", "4294967297", "999999999999999999"),
    *("9223372036854775807", "9223372036854775808", "-999999999999999999", "-9223372036854775808"),
    *("-9223372036854775809", "-9999999999999999999", "-10000000000000000000", f"-{'0' * 100}9223372036854775808"),
]
SESSION_NAMES: Final = ["pod-name", "ab", "a", "", "a" * 64, "a" * 65, "a_b+=,.@-", "a b", "ab\n", "\u00e9\u00e9"]
TABLE: Final = [
    *((ROLE_ARN, value) for value in ROLE_ARNS),
    *((STS_REGIONAL_ENDPOINTS, value) for value in [*BOOLS, *NO_BOOLS]),
    *((TOKEN_EXPIRATION, value) for value in INTEGERS),
    *((ROLE_SESSION_NAME, value) for value in SESSION_NAMES),
]
# Almost valid values: each differs from a valid one in at most one place.
GENERATED: Final = st.one_of(
    st.tuples(
        st.just(ROLE_ARN), st.from_regex(r"\A/?(arn:aws[a-z-]{0,4}:iam::[0-9]{11,13}:role/)?[\w+=,.@/ -]{0,20}\Z")
    ),
    st.tuples(st.just(TOKEN_EXPIRATION), st.from_regex(r"\A[+-]?0{0,3}[0-9]{0,21}[_ ]?\Z")),
    st.tuples(st.just(STS_REGIONAL_ENDPOINTS), st.text("01tTfFrueRUEalseALSE ", max_size=5)),
    st.tuples(st.just(ROLE_SESSION_NAME), st.text("aZ09_+=,.@- /\u00e9", min_size=1, max_size=4)),
)


class Denying:
    """A release whose policy denies; `message` returns why it would refuse a ServiceAccount."""

    def __init__(self, cluster: Cluster, namespace: str, *, composes: bool) -> None:
        self._cluster = cluster
        self.path = service_accounts(namespace)
        self.composes = composes

    def message(self, **annotations: str) -> str:
        body = service_account("tried", **{key.replace("-", "_"): value for key, value in annotations.items()})
        try:
            self._cluster.admin.create(self.path, body, dryRun="All")
        except ApiError as error:
            if error.code == 422:
                return error.message
            raise
        return ""


@pytest.fixture(scope="module", params=[False, True], ids=["whole ARNs", "composed ARNs"])
def denying(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Denying | None]:
    if cluster.version < Feature.ADMISSION_POLICIES.since:
        # A module fixture runs before its tests are skipped.
        yield None
        return
    namespace = cluster.namespace("denied-accounts")
    # Limit the policy to this namespace: other tests' ServiceAccounts must not meet it.
    values = merged(DENY, COMPOSE if request.param else {}, _only_in(namespace))
    with applied(cluster, namespace, values):
        release = Denying(cluster, namespace, composes=request.param)
        wait_until(lambda: release.message(**{ROLE_ARN: "no role"}), "the API server to go by the policy", within=30)
        yield release


def _only_in(namespace: str) -> Values:
    labels = {"kubernetes.io/metadata.name": namespace}
    return {"mutatingWebhook": {"namespaceSelector": {"matchLabels": labels}}}


@NEEDS_POLICIES
@pytest.mark.parametrize(("key", "value"), TABLE)
def test_the_policy_says_what_admission_says(denying: Denying, key: str, value: str) -> None:
    _assert_agree(denying, key, value)


@NEEDS_POLICIES
@settings(max_examples=200)
@given(GENERATED)
@example((ROLE_ARN, ROLE))
def test_the_policy_says_what_admission_says_of_anything(denying: Denying, annotation: tuple[str, str]) -> None:
    _assert_agree(denying, *annotation)


def _assert_agree(denying: Denying, key: str, value: str) -> None:
    message = denying.message(**{key: value})

    assert (message == "") == _is_taken(key, value, SETTINGS[denying.composes]), message
    assert message == "" or f"annotation eks.amazonaws.com/{key} " in message


def _is_taken(key: str, value: str, settings: Settings) -> bool:
    """Whether a pod of such a ServiceAccount gets an identity without a warning."""
    annotations = {ROLE_ARN: ROLE, key: value}
    account = ServiceAccount("shop", "app", annotations)
    identity, warnings = resolve(account, ("shop", "app"), {}, OtherSources(), settings)
    session_name_of({}, annotations, "app", settings, warnings)
    return isinstance(identity, Identity) and not warnings


@NEEDS_POLICIES
@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("sts.amazonaws.com", True),
        ("https://example.com/\u00e9", True),
        ("a" * 255, True),
        ("a" * 256, False),
        ("", False),
        (" sts.amazonaws.com", False),
        ("sts.amazonaws.com\n", False),
        ("a b", False),
        ("a\u0007b", False),
    ],
)
def test_an_audience_that_no_provider_can_have_is_refused(denying: Denying, value: str, taken: bool) -> None:
    message = denying.message(audience=value)

    assert (message == "") == taken
    assert taken or "annotation eks.amazonaws.com/audience is empty, has blanks, or is longer" in message


@NEEDS_POLICIES
def test_foreign_annotations_are_allowed(cluster: Cluster, denying: Denying) -> None:
    annotations = {"example.com/role-arn": "x", "eks.amazonaws.com/unknown": "x"}
    body: Object = {"metadata": {"name": "app", "annotations": annotations}}

    assert denying.message() == ""
    assert cluster.admin.create(denying.path, body, dryRun="All")


@NEEDS_POLICIES
def test_existing_accounts_stay_writable_if_the_policy_denies(cluster: Cluster, namespace: str) -> None:
    path = f"{service_accounts(namespace)}/app"
    cluster.admin.create(service_accounts(namespace), service_account("app", "no role"))
    with applied(cluster, namespace, merged(DENY, _only_in(namespace))):
        release = Denying(cluster, namespace, composes=False)
        wait_until(lambda: release.message(**{ROLE_ARN: "no role"}), "the API server to go by the policy", within=30)

        cluster.admin.patch(path, {"metadata": {"labels": {"more": "yes"}, "finalizers": ["example.com/mine"]}})
        cluster.admin.patch(path, {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}})
        for value in ("another", ""):
            with pytest.raises(ApiError, match="role-arn is not a role ARN"):
                cluster.admin.patch(path, {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": value}}})
        with pytest.raises(ApiError, match="audience is empty"):
            cluster.admin.patch(path, {"metadata": {"annotations": {"eks.amazonaws.com/audience": ""}}})
        cluster.admin.patch(path, {"metadata": {"annotations": None, "finalizers": None}})


@NEEDS_POLICIES
def test_a_namespace_may_use_only_the_aws_accounts_that_its_labels_allow(cluster: Cluster, namespace: str) -> None:
    allowed = [
        {"accounts": ["111122223333"]},
        {
            "accounts": ["444455556666", "777788889999"],
            "namespaceLabels": {"team": "shop", "example.com/stage": "test"},
        },
    ]
    values = merged(DENY, _only_in(namespace), COMPOSE, {"serviceAccountPolicy": {"allowedAccounts": allowed}})
    theirs = {ROLE_ARN: "arn:aws:iam::777788889999:role/reader"}
    with applied(cluster, namespace, values):
        release = Denying(cluster, namespace, composes=True)
        wait_until(lambda: release.message(**theirs), "the API server to go by the policy", within=30)

        message = release.message(**theirs)
        assert message.endswith(
            f"annotation eks.amazonaws.com/role-arn: account 777788889999 is not allowed in namespace {namespace};"
            " allowed: 111122223333"
        )
        assert release.message(**{ROLE_ARN: ROLE}) == ""
        # The ServiceAccount that the cluster itself creates.
        assert release.message(**{ROLE_ARN: "reader"}) == ""
        assert release.message() == ""
        for labels, expected in (
            ({"team": "shop"}, False),
            ({"team": "shop", "example.com/stage": "live"}, False),
            ({"team": "shop", "example.com/stage": "test"}, True),
        ):
            cluster.admin.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}})
            if expected:
                wait_until(lambda: release.message(**theirs) == "", "the labels to count", within=15)
            else:
                assert release.message(**theirs) != ""


@NEEDS_POLICIES
def test_kubectl_shows_the_warning_and_applies_by_default(cluster: Cluster, namespace: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "ServiceAccount", **service_account("app", "arn:aws:iam::1:role/x")}
    manifest["metadata"]["namespace"] = namespace
    with applied(cluster, namespace, merged(NOBODYS, _only_in(namespace))) as rendered:
        name = f"{rendered.one('Deployment')['metadata']['name']}-{namespace}-service-accounts"

        def shown() -> str:
            answer = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=manifest)
            assert answer.returncode == 0, answer.stderr
            return answer.stderr

        wait_until(shown, "the API server to go by the policy", within=30)
        answer = cluster.kubectl("apply", "-f", "-", stdin=manifest)
    assert answer.stdout == "serviceaccount/app created\n"
    assert answer.stderr == (
        f"Warning: Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{name}':"
        " annotation eks.amazonaws.com/role-arn is not a role ARN\n"
    )


@NEEDS_POLICIES
@pytest.mark.parametrize("values", [DENY, POLICIES_OF_ALL_KINDS], ids=["plain", "all kinds"])
def test_the_api_servers_type_check_finds_nothing(cluster: Cluster, namespace: str, values: Values) -> None:
    with applied(cluster, namespace, merged(values, NOBODYS, _only_in(namespace))) as rendered:
        for policy in rendered.all("ValidatingAdmissionPolicy"):
            path = f"{POLICIES}/{policy['metadata']['name']}"
            wait_until(lambda path=path: "typeChecking" in cluster.admin.get(path).get("status", {}), path, within=60)  # type: ignore[misc]
            assert cluster.admin.get(path)["status"]["typeChecking"] == {}


def test_helm_installs_the_policies_only_if_the_cluster_supports_them(cluster: Cluster, namespace: str) -> None:
    release = f"identity-{next(NAMES)}"
    with helm_python.Config(kubeconfig_path=cluster.kubeconfig, namespace=namespace) as helm:
        helm.install(CHART, release, merged(NOBODYS, _only_in(namespace)))
        try:
            if cluster.version < Feature.ADMISSION_POLICIES.since:
                with pytest.raises(ApiError, match="404"):
                    cluster.admin.get(POLICIES)
                return
            mine = {"labelSelector": f"app.kubernetes.io/instance={release}"}
            names = [one["metadata"]["name"] for one in cluster.admin.get(POLICIES, **mine)["items"]]
            base = f"{release}-pod-identity-webhook-{namespace}"
            assert names == [f"{base}-ca-bundle", f"{base}-service-accounts"]
            assert len(cluster.admin.get(f"{POLICIES.removesuffix('ies')}ybindings", **mine)["items"]) == len(KINDS)
        finally:
            helm.uninstall(release)
