"""`doctor`: each fault of an installation is named as that; on a healthy one, all is fine.

The chart is installed by the real Helm on the real API server. A test repairs what it breaks.
"""

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.issue import issue_ca
from tests.e2e.api import Object
from tests.e2e.certs_installation import KINDS, Installed
from tests.e2e.changed_configuration import (
    changed,
    excluded_pods,
    one_other_service,
    opt_in,
    other_service,
    shop_in,
    wait_until_called,
    without,
)
from tests.e2e.cluster import Cluster
from tests.e2e.doctor_command import Said, doctor, run_doctor
from tests.e2e.foreign_kinds import define_foreign_kinds
from tests.e2e.helm_release import NAME, HelmRelease
from tests.e2e.objects import pod, pods, role_of
from tests.e2e.rbac import RBAC, account_with
from tests.e2e.replica_objects import publish_endpoints, publish_replicas
from tests.e2e.rewriting_webhook import RewritingWebhook
from tests.e2e.waiting import wait_until

# What a cluster's administrators call "view": the rules that Kubernetes itself adds to the ClusterRole of this name.
_VIEW = "system:aggregate-to-view"
_ISSUER = "https://oidc.example.test"
_UNSEEN_BY_VIEW = {
    "configuration": 'resources: ["mutatingwebhookconfigurations"], verbs: ["get"]',
    "token": 'resources: ["serviceaccounts/token"], verbs: ["create"]',
}


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    own = Cluster(tmp_path_factory.mktemp("doctor"), issuer=_ISSUER)
    own.start()
    yield own
    own.remove()


@pytest.fixture(scope="module")
def release(own_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HelmRelease]:
    own = HelmRelease(own_cluster, tmp_path_factory.mktemp("release"))
    own.install({})
    publish_replicas(own)
    wait_until_called(own)
    yield own
    own.close()


@pytest.fixture
def shop(own_cluster: Cluster, release: HelmRelease) -> str:  # noqa: ARG001 - it must be installed
    """A namespace with a ServiceAccount that has a role."""
    return shop_in(own_cluster)


def _ask(release: HelmRelease, *words: str) -> Said:
    return doctor(release.cluster.kubeconfig, *words)


def _found(said: Said, measured: Callable[[str], None], name: str) -> list[str]:
    """Returns the failed steps, and notes what the first of them says."""
    assert said.failed, said.statuses
    first = said.step(said.failed[0])
    measured(f"{name} → {said.failed}: {first['found']} | {first['next']}")
    return said.failed


def test_on_a_healthy_installation_every_step_is_fine(release: HelmRelease, shop: str) -> None:
    said = _ask(release)

    assert (said.code, said.failed, said.error) == (0, [], ""), said.lines()
    assert set(said.statuses.values()) == {"ok"}, said.lines()
    assert shop


@pytest.mark.parametrize(
    ("change", "failed", "words"),
    [
        pytest.param(
            without("pod-identity-webhook.amazonaws.com"),
            ["entries", "namespaces", "dry-run"],
            f"MutatingWebhookConfiguration {NAME} has no entry for pods without labels",
            id="the entry for pods without labels is missing",
        ),
        pytest.param(
            without("required.pod-identity-webhook.amazonaws.com"),
            ["entries"],
            "has no entry with failurePolicy Fail for pods with the label eks.amazonaws.com/require-pod-identity",
            id="the entry for pods that require a role is missing",
        ),
        pytest.param(
            other_service,
            ["configuration", "endpoints", "dry-run"],
            "which does not exist",
            id="all entries call another Service",
        ),
        pytest.param(
            one_other_service,
            ["configuration"],
            "has entries that call another Service than ",
            id="one entry calls another Service",
        ),
        pytest.param(
            opt_in,
            ["namespaces", "dry-run"],
            "it wants the label injection=on, but there is no such label",
            id="a namespaceSelector excludes the namespaces",
        ),
        pytest.param(
            excluded_pods,
            ["entries", "namespaces", "dry-run"],
            "has no entry for pods without labels",
            id="an objectSelector excludes the pods",
        ),
    ],
)
def test_a_changed_configuration_is_named_as_that(
    release: HelmRelease,
    shop: str,
    change: Callable[[list[Object]], object],
    failed: list[str],
    words: str,
    measured: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    with changed(release, change):
        said = _ask(release)

    assert _found(said, measured, request.node.callspec.id) == failed, said.lines()
    assert words in said.step(failed[0])["found"]
    assert shop


def test_a_selector_that_excludes_the_namespace_is_named_for_its_serviceaccount(
    release: HelmRelease, shop: str
) -> None:
    with changed(release, opt_in):
        said = _ask(release, "serviceaccount", f"{shop}/reports")

    assert [step for step in said.failed if step in ("called", "dry-run")] == ["called", "dry-run"], said.lines()
    assert f"namespaceSelector of namespace {shop}: it wants the label injection=on" in said.step("called")["found"]


def test_a_namespace_that_is_not_there_is_what_to_begin_with(release: HelmRelease) -> None:
    text = run_doctor(release.cluster.kubeconfig, "serviceaccount", "nowhere/reports").stdout

    assert text.endswith("there is no namespace nowhere\nDo: kubectl create namespace nowhere\n"), text


def test_without_the_configuration_the_webhook_is_not_registered(
    release: HelmRelease, shop: str, measured: Callable[[str], None]
) -> None:
    configuration = release.admin.get(release.configuration)
    release.admin.delete(release.configuration)
    try:
        said = _ask(release)
    finally:
        configuration["metadata"].pop("resourceVersion")
        release.admin.create("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", configuration)
        wait_until_called(release)

    assert _found(said, measured, "there is no configuration") == ["configuration", "dry-run"], said.lines()
    assert shop


def test_a_webhook_that_rewrites_the_containers_is_named_as_that(
    release: HelmRelease, shop: str, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    rewriting = RewritingWebhook(release.cluster, tmp_path)
    try:
        wait_until(
            lambda: role_of(release.admin.create(pods(shop), pod("probe", "reports"), dryRun="All")) is None,
            "the API server to call the other webhook",
            within=30,
        )
        said = _ask(release)
    finally:
        rewriting.remove()
        wait_until_called(release)

    assert _found(said, measured, "another webhook rewrites the containers") == ["dry-run"], said.lines()
    assert said.step("dry-run")["found"].endswith(
        "although the webhook was called: another webhook took it out again (rewriter)"
    )


def test_each_right_that_is_taken_away_is_named(
    release: HelmRelease, shop: str, measured: Callable[[str], None]
) -> None:
    missing = []
    for path in (
        f"{RBAC}/clusterroles/{_cluster_role(release)}",
        f"{RBAC}/namespaces/{release.namespace}/roles/{NAME}",
    ):
        role = release.admin.get(path)
        rules = copy.deepcopy(role["rules"])
        for rule in range(len(rules)):
            for verb in rules[rule]["verbs"]:
                fewer = copy.deepcopy(rules)
                fewer[rule]["verbs"] = [one for one in fewer[rule]["verbs"] if one != verb]
                if not fewer[rule]["verbs"]:
                    del fewer[rule]
                release.admin.patch(path, {"rules": fewer})
                try:
                    said = _wait_for_right(release)
                finally:
                    release.admin.patch(path, {"rules": rules})
                found = said.step("rights")["found"]
                resource = rules[rule]["resources"][0]
                assert f'resources: ["{resource}"], verbs: ["{verb}"]' in found, found
                missing.append(found)
                measured(f"right {verb} {resource} taken away → {found}")
    assert len(missing) >= 10
    assert shop


def _cluster_role(release: HelmRelease) -> str:
    roles = release.admin.get(f"{RBAC}/clusterroles")["items"]
    return next(name for one in roles if NAME in (name := str(one["metadata"]["name"])))


def _wait_for_right(release: HelmRelease) -> Said:
    """Asks until RBAC has seen the change."""
    said: list[Said] = []

    def has_failed() -> bool:
        said.append(_ask(release))
        return "rights" in said[-1].failed

    wait_until(has_failed, "the right to be missing", within=60)
    return said[-1]


def test_with_view_alone_it_works_and_says_what_it_could_not_see(
    release: HelmRelease, shop: str, measured: Callable[[str], None]
) -> None:
    rules = release.admin.get(f"{RBAC}/clusterroles/{_VIEW}")["rules"]
    viewer = account_with(release.cluster, shop, "viewer", cluster_rules=rules, namespace_rules=[])
    kubeconfig = release.cluster.write_kubeconfig(f"viewer-{shop}", viewer.token)

    whole = doctor(kubeconfig)
    chain = doctor(kubeconfig, "serviceaccount", f"{shop}/reports")

    # Nobody publishes this issuer, which it sees without any right.
    for said, failed in ((whole, []), (chain, ["discovery"])):
        assert (said.code, said.failed, said.error) == (1 if failed else 0, failed, ""), said.lines()
        for name, rule in _UNSEEN_BY_VIEW.items():
            step = said.step(name)
            assert step["status"] == "unknown"
            assert rule in step["found"], step
        measured(f"view: {said.statuses}")
    assert chain.step("service-account")["status"] == "ok"
    # The Service is found by its name, so what does not need the configuration is seen.
    assert {whole.statuses[name] for name in ("endpoints", "version", "cache")} == {"ok"}, whole.lines()
    assert whole.statuses["certificate"] == "unknown"


def test_replicas_that_are_away_are_named_as_that(
    release: HelmRelease, shop: str, measured: Callable[[str], None]
) -> None:
    path = f"/apis/apps/v1/namespaces/{release.namespace}/deployments/{NAME}"
    release.admin.patch(path, {"spec": {"replicas": 0}})
    release.deployment.wait_rolled_out()
    for one in release.admin.get(pods(release.namespace))["items"]:
        release.admin.call("DELETE", f"{pods(release.namespace)}/{one['metadata']['name']}", gracePeriodSeconds=0)
    publish_endpoints(release, ready=False)

    said = _ask(release)
    text = run_doctor(release.cluster.kubeconfig).stdout

    assert _found(said, measured, "the replicas are away") == ["endpoints", "dry-run"], said.lines()
    assert said.step("endpoints")["found"] == "none: 1 not ready"
    assert "docs/troubleshooting.md#no-endpoints-available-for-service" in text
    assert shop


@pytest.fixture
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation whose certificate somebody else makes, in a cluster of its own."""
    cluster = Cluster(tmp_path_factory.mktemp("certified"), issuer=_ISSUER)
    cluster.start()
    define_foreign_kinds(cluster)
    release = HelmRelease(cluster, tmp_path_factory.mktemp("certified-release"))
    made = Installed(cluster, release, KINDS["cert-manager, and cainjector writes the caBundle"])
    made.install()
    publish_replicas(release)
    yield made
    release.close()
    cluster.remove()


def test_a_ca_bundle_of_another_ca_and_an_expired_leaf_are_named_as_that(
    certified: Installed, measured: Callable[[str], None]
) -> None:
    release = certified.release
    wait_until_called(release)

    certified.publish(issue_ca(datetime.now(UTC), common_name="another CA"))
    other_ca = _ask(release)
    certified.publish(certified.ca)
    release.admin.delete(certified.certificate_path)
    release.admin.create(release.secrets, certified.secret(certified.expired(certified.ca)))
    expired = _ask(release)

    assert _found(other_ca, measured, "the caBundle has another CA")[0] == "certificate", other_ca.lines()
    step = other_ca.step("certificate")
    count = len(release.admin.get(release.configuration)["webhooks"])
    refused = f"the API server refuses the served leaf with the caBundle of all {count} entries: "
    assert step["found"].startswith(refused)
    assert step["see"] == "docs/troubleshooting.md#x509-certificate-signed-by-unknown-authority"
    assert _found(expired, measured, "the leaf has expired")[0] == "certificate", expired.lines()
    step = expired.step("certificate")
    assert "has expired" in step["found"]
    assert step["see"] == "docs/troubleshooting.md#x509-certificate-has-expired-or-is-not-yet-valid"
