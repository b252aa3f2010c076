"""`audit` with a fake API server: what it prints, and wrong usage."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.commands.outcome import Outcome, run
from tests.commands.replay.installed import CONFIGURATION, DEPLOYMENTS, entry, installed
from tests.commands.replay.live import api_server, kubeconfig

ROLE = "arn:aws:iam::111122223333:role/reader"
_SHOP = "/api/v1/namespaces/shop"
_ACCOUNT: dict[str, Any] = {
    "metadata": {
        "namespace": "shop",
        "name": "web",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"eks.amazonaws.com/role-arn": ROLE},
        "managedFields": [
            {
                "time": "2026-03-01T00:00:00Z",
                "fieldsV1": {"f:metadata": {"f:annotations": {"f:eks.amazonaws.com/role-arn": {}}}},
            }
        ],
    }
}


def _pod(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": name, "uid": name, "creationTimestamp": "2026-02-01T00:00:00Z"}
    return {"metadata": metadata, "spec": {"serviceAccountName": "web", "containers": [{"name": "app"}], **spec}}


def _listed(*items: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "1"}, "items": list(items)}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The objects of a cluster that KUBECONFIG names; a test may change them."""
    objects: dict[str, Any] = {
        **installed(),
        f"{_SHOP}/serviceaccounts": _listed(_ACCOUNT),
        f"{_SHOP}/pods": _listed(_pod("one"), _pod("two"), _pod("other", serviceAccountName="default")),
    }
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with api_server(objects) as server:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path / "config", production=server.url))
        yield objects


def _audit(*flags: str) -> Outcome:
    return run("audit", "-n", "shop", *flags)


@pytest.mark.usefixtures("cluster")
def test_the_findings_are_grouped_by_owner_and_the_last_line_counts() -> None:
    outcome = _audit()
    assert (outcome.code, outcome.err) == (
        1,
        "pod-identity-webhook audit: 3 pods read: 2 not injected, 0 with other values, of 2 owners\n",
    )
    first, second = outcome.out.split("\n\n")
    assert first.splitlines()[:3] == [
        "Pod shop/one",
        f"  not injected: container app would get {ROLE}",
        "  older-than-role: the pod is older than the last change of ServiceAccount shop/web",
    ]
    assert second.startswith("Pod shop/two\n")


@pytest.mark.usefixtures("cluster")
def test_json_lists_findings_only() -> None:
    found = json.loads(_audit("-o", "json").out)
    assert [each.pop("ageSeconds") > 0 for each in found] == [True, True]
    assert found[0] == {
        "namespace": "shop",
        "owner": {"kind": "Pod", "name": "one"},
        "pod": "one",
        "uid": "one",
        "finding": "missing",
        "reason": "older-than-role",
        "why": "the pod is older than the last change of ServiceAccount shop/web",
        "role": ROLE,
        "differences": [
            {"container": "app", "what": "role", "has": "", "wouldHave": ROLE},
            {
                "container": "app",
                "what": "token file",
                "has": "",
                "wouldHave": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            },
            {"container": "app", "what": "audience", "has": "", "wouldHave": "sts.amazonaws.com"},
            {"container": "app", "what": "token expiration", "has": "", "wouldHave": "86400 s"},
        ],
        "newPodWouldBeRight": True,
        "doubts": [],
    }


def test_no_findings_are_exit_code_0(cluster: dict[str, Any]) -> None:
    cluster[f"{_SHOP}/pods"] = _listed(_pod("other", serviceAccountName="default"))
    assert _audit() == Outcome(0, "", "pod-identity-webhook audit: 1 pod read: no findings\n")


@pytest.mark.usefixtures("cluster")
def test_findings_with_a_reason_to_leave_out_do_not_count() -> None:
    assert _audit("--leave-out", "older-than-role").code == 0


def test_the_flags_of_the_running_webhook_count(cluster: dict[str, Any]) -> None:
    cluster |= installed(args=["--token-audience=other"])
    assert "--token-audience=other" in _audit().err
    assert {
        each["what"]: each["wouldHave"]
        for each in json.loads(_audit("-o", "json").out)[0]["differences"]
        if each["what"] == "audience"
    } == {"audience": "other"}


def test_a_namespace_that_no_entry_selects_is_exempt(cluster: dict[str, Any]) -> None:
    cluster[CONFIGURATION] = {"webhooks": [entry(namespaceSelector={"matchLabels": {"aws": "yes"}})]}
    assert {each["reason"] for each in json.loads(_audit("-o", "json").out)} == {"namespace-exempt"}


def test_a_configuration_that_is_refused_is_said_with_the_rule_to_add(cluster: dict[str, Any]) -> None:
    cluster[CONFIGURATION] = 403
    outcome = _audit("--leave-out", "older-than-role")
    assert outcome.code == 0
    assert 'grant apiGroups: ["admissionregistration.k8s.io"]' in outcome.err
    assert "audit looks at every pod" in outcome.err


def test_without_a_deployment_it_says_that_it_takes_the_default_flags(cluster: dict[str, Any]) -> None:
    cluster[DEPLOYMENTS] = {"items": []}
    said = "the flags of the running webhook cannot be read: audit uses its own flags and their defaults"
    assert said in _audit().err


def test_pods_that_may_not_be_listed_are_an_error_with_the_rule_to_add(cluster: dict[str, Any]) -> None:
    cluster[f"{_SHOP}/pods"] = 403
    outcome = _audit()
    assert (outcome.code, outcome.out) == (1, "")
    assert 'resources: ["pods"], verbs: ["list"] in a Role in namespace shop' in outcome.err


def test_names_from_the_cluster_cannot_control_the_terminal(cluster: dict[str, Any]) -> None:
    cluster[f"{_SHOP}/pods"] = _listed(_pod("one", containers=[{"name": "app\x1b[2J"}]))
    outcome = _audit("--color=always")
    assert "app\\x1b[2J" in outcome.out
    assert "\x1b[2J" not in outcome.out


_EVIL = "arn:\x1b[2J\x7f\x9b\u202e\U000e0001[red]\nDeployment kube-system/forged"


def test_text_from_annotations_and_variables_forges_no_line_and_is_no_markup(cluster: dict[str, Any]) -> None:
    account = deepcopy(_ACCOUNT)
    account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] = _EVIL
    cluster[f"{_SHOP}/serviceaccounts"] = _listed(account)
    own = [{"name": name, "value": _EVIL} for name in ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")]
    cluster[f"{_SHOP}/pods"] = _listed(_pod("bare"), _pod("other", containers=[{"name": "app", "env": own}]))
    outcome = _audit("--color=never")
    written = outcome.out + outcome.err
    assert written.replace("\n", "").isprintable()
    assert not [line for line in written.splitlines() if line.startswith("Deployment")]
    assert "\\x1b[2J\\u007f\\u009b\\u202e\\U000e0001[red]\\nDeployment kube-system/forged" in outcome.out


@pytest.mark.parametrize(
    ("version", "name"),
    [("apps/v1", "a b\nDeployment kube-system/forged"), ("apps/v1;", "web")],
    ids=["name", "version"],
)
def test_an_owner_that_cannot_be_ends_no_audit(cluster: dict[str, Any], version: str, name: str) -> None:
    owner = {"apiVersion": version, "kind": "ReplicaSet", "name": name, "uid": "x", "controller": True}
    evil = _pod("evil")
    evil["metadata"]["ownerReferences"] = [owner]
    cluster[f"{_SHOP}/pods"] = _listed(evil, _pod("one"))
    outcome = _audit("--color=never")
    assert outcome.err.endswith("2 pods read: 2 not injected, 0 with other values, of 2 owners\n")
    assert [line for line in outcome.out.splitlines() if line and not line.startswith(" ")] == [
        "Pod shop/one",
        "ReplicaSet shop/{}".format(name.replace("\n", "\\n")),
    ]


def test_json_means_the_same_whatever_the_cluster_has(cluster: dict[str, Any]) -> None:
    account = deepcopy(_ACCOUNT)
    account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] = _EVIL
    cluster[f"{_SHOP}/serviceaccounts"] = _listed(account)
    out = _audit("-o", "json").out
    assert out.replace("\n", "").isprintable()
    assert {each["differences"][0]["wouldHave"] for each in json.loads(out)} == {_EVIL}


@pytest.mark.parametrize("configuration", [403, 404, None], ids=["refused", "missing", "there"])
def test_a_namespace_that_does_not_exist_is_said(cluster: dict[str, Any], configuration: int | None) -> None:
    if configuration is not None:
        cluster[CONFIGURATION] = configuration
    cluster[_SHOP] = 404
    outcome = _audit()
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith("pod-identity-webhook audit: there is no namespace shop\n")


def test_without_the_right_to_read_the_namespace_its_pods_are_audited_all_the_same(cluster: dict[str, Any]) -> None:
    cluster |= {_SHOP: 403, CONFIGURATION: 404}
    outcome = _audit()
    assert (outcome.code, "no namespace" in outcome.err) == (1, False)


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["-A", "-n", "shop"], "--namespace: cannot be used with --all-namespaces"),
        (["-n", "Shop"], "--namespace: 'Shop' is not a namespace's name (DNS label)"),
        (["shop"], "'shop': audit takes flags only"),
        (["--yes"], "--yes: can be used only with --evict"),
        (["--evict", "--yes", "--limit=-1"], "--limit: -1 is negative"),
        (
            ["--evict"],
            "--evict: asks before the first eviction, but standard input is no terminal: set --yes or --dry-run",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(flags: list[str], problem: str) -> None:
    outcome = run("audit", *flags)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"pod-identity-webhook audit: {problem}\nSee 'pod-identity-webhook audit --help'.\n"


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"spec": 7}, id="spec"),
        pytest.param({"spec": {"serviceAccountName": [1]}}, id="account"),
        pytest.param({"spec": None}, id="null"),
        pytest.param({"spec": {"serviceAccountName": "web", "containers": [{"env": [{"name": [1]}]}]}}, id="variable"),
    ],
)
def test_a_pod_of_wrong_types_is_named(cluster: dict[str, Any], odd: dict[str, Any]) -> None:
    cluster[f"{_SHOP}/pods"] = _listed({**_pod("one"), **odd})

    outcome = _audit()

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("pod-identity-webhook audit: get pods one in namespace shop: ")
    assert outcome.err.count("\n") == 1


def test_a_pod_without_a_spec_is_one_line(cluster: dict[str, Any]) -> None:
    cluster[f"{_SHOP}/pods"] = _listed({"metadata": _pod("one")["metadata"]})

    outcome = _audit()

    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("applied", ["7", '{"spec": 7}', '{"spec": {"containers": [7]}}', '{"a":' * 5000, "\ud800"])
def test_what_kubectl_applied_may_be_anything(cluster: dict[str, Any], applied: str) -> None:
    pod = _pod("one")
    pod["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": applied}
    cluster[f"{_SHOP}/pods"] = _listed(pod)

    assert _audit().code == 1


@pytest.mark.parametrize("path", [CONFIGURATION, DEPLOYMENTS, f"{_SHOP}/pods", f"{_SHOP}/serviceaccounts"])
def test_an_answer_that_is_nested_too_deeply_is_no_traceback(cluster: dict[str, Any], path: str) -> None:
    nested: dict[str, Any] = {}
    for _ in range(900):
        nested = {"metadata": nested}
    cluster[path] = {**nested, "items": [{"metadata": {"name": "a", "namespace": "shop"}, "spec": nested}]}

    assert _audit().code in (0, 1)
