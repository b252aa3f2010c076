"""A release's whole life with the real Helm: pods run as its Deployment says, and users create pods without pause."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
import yaml

from certs.issue import Pair, issue_ca
from certs.pem import is_issued_by
from tests.charts.rendering import Rendered, Values, is_hook
from tests.cluster_e2e.inventory import inventory
from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.foreign_kinds import define_foreign_kinds
from tests.e2e.helm_release import NAME, HelmRelease
from tests.e2e.objects import ROLE, pod, pods, role_of, service_account, service_accounts
from tests.e2e.release_pods import REQUIRED, ReleasePods
from tests.e2e.waiting import wait_until

POPULAR_VALUES: Final = Path(__file__).parents[1] / "charts" / "popular-values.yaml"
OWN_SECRET: Final[Values] = {"pki": {"existingSecret": "mine"}, "config": {"extraArgs": ["--ca-settle=2s"]}}
Measured = Callable[[str], None]


@pytest.fixture
def release(cluster: Cluster, tmp_path: Path) -> Iterator[HelmRelease]:
    own = HelmRelease(cluster, tmp_path)
    yield own
    own.close()


class Life:
    """A release under load, from `helm install` on."""

    def __init__(self, release: HelmRelease, load: ReleasePods, measured: Measured) -> None:
        self._release = release
        self._load = load
        self._measured = measured

    @contextmanager
    def without_loss(self, name: str) -> Iterator[None]:
        """Checks that no pod was refused or missed during an operation, which runs in this context."""
        with self._load.during(name) as operation:
            yield
        self._measured(f"chart release, {operation}")
        operation.assert_all_patched()
        assert self._release.deployment.trouble == []

    def install(self) -> None:
        with self._load.during("install") as operation:
            took = self._release.install({})
        self._measured(f"chart release, ready after {took:.1f} s; {operation}")
        assert operation.refused["unlabelled"] == []
        with self.without_loss("from the first pod that is ready to the last"):
            self._release.deployment.wait_rolled_out()

    def uninstall(self) -> None:
        with self._load.during("uninstall") as operation:
            self._release.uninstall()
        self._measured(f"chart release, {operation}")
        # Pods created after the configuration was deleted are unchanged.
        assert operation.refused == {"labelled": [], "unlabelled": []}
        assert self._release.deployment.trouble == []


def test_no_pod_is_lost_from_the_first_readiness_to_the_uninstall_whatever_helm_does(
    cluster: Cluster, release: HelmRelease, measured: Measured
) -> None:
    before = _named_like_us(cluster)
    own_ca, other_ca, pem_ca = (issue_ca(datetime.now(UTC), common_name=f"CA {number}") for number in range(3))
    with ReleasePods(cluster) as load:
        life = Life(release, load, measured)
        life.install()
        ours = release.data()["ca.crt"]
        release.assert_serves(ours)
        with life.without_loss("upgrade with changed values"):
            release.upgrade({"config": {"defaultAwsRegion": "eu-west-3", "verbosity": 1}})
        assert _region(cluster) == "eu-west-3"
        release.assert_serves(ours)
        with life.without_loss("self-managed to an existing Secret"):
            release.admin.create(release.secrets, _certificate_secret("mine", own_ca, release.leaf(own_ca)))
            release.upgrade(OWN_SECRET)
        release.assert_serves(own_ca.certificate)
        with life.without_loss("that Secret renewed, by another CA"):
            renewed = _certificate_secret("mine", other_ca, release.leaf(other_ca))
            release.admin.call("PUT", f"{release.secrets}/mine", renewed)
            _wait_served(release, other_ca)
        with life.without_loss("an existing Secret to PEM values"):
            release.upgrade(_pem_values(pem_ca, release.leaf(pem_ca)))
        release.assert_serves(pem_ca.certificate)
        with life.without_loss("PEM values to self-managed"):
            release.upgrade({})
        release.assert_serves(ours)
        with life.without_loss("rollback to the revision before, with PEM values"):
            release.roll_back(4)
        release.assert_serves(pem_ca.certificate)
        with life.without_loss("rollback to the install"):
            release.roll_back(1)
        release.assert_serves(ours)
        with life.without_loss("our Secret deleted"):
            written = release.written()
            release.admin.delete(release.secret)
            wait_until(lambda: release.is_there(release.secret), "the Secret to be made again", within=60)
        assert release.written() == written
        life.uninstall()
    wait_until(
        lambda: not _named_like_us(cluster) - before,
        "nothing left",
        within=60,
        last_seen=lambda: sorted(_named_like_us(cluster) - before),
    )


def test_applying_the_manifests_repeatedly_resets_nothing_and_loses_no_pod(
    cluster: Cluster, release: HelmRelease, measured: Measured
) -> None:
    rendered = Rendered(
        {"kubeVersionOverride": ".".join(map(str, cluster.version))}, release=NAME, namespace=release.namespace
    )
    everything = {"apiVersion": "v1", "kind": "List", "items": [one for one in rendered.objects if not is_hook(one)]}

    def apply() -> None:
        answer = cluster.kubectl(
            *("apply", "--server-side", "--force-conflicts", "--field-manager=argocd", "-f", "-"), stdin=everything
        )
        assert answer.returncode == 0, answer.stderr

    try:
        with ReleasePods(cluster) as load:
            apply()
            release.deployment.wait_rolled_out()
            before = release.written()
            pods_before = release.deployment.pods
            assert len(before[0]) == 1
            assert len(before[1]) == 4
            with Life(release, load, measured).without_loss("manifests applied twice more, by another manager"):
                for _ in range(2):
                    apply()
                    assert release.written() == before
                release.deployment.wait_rolled_out()
        assert release.deployment.pods == pods_before, "nobody was started anew"
        assert release.written() == before
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=everything)


def test_with_every_replica_stopped_only_pods_that_require_a_role_are_refused(
    cluster: Cluster, release: HelmRelease, measured: Measured
) -> None:
    system = "/api/v1/namespaces/kube-system"
    label = "kubernetes.io/metadata.name"
    cluster.admin.patch(system, {"metadata": {"labels": {label: "kube-system"}}})
    try:
        release.install({})
        release.deployment.wait_rolled_out()
        namespace = _injected_namespace(cluster)
        assert role_of(_created(cluster, namespace, REQUIRED)) == ROLE
        release.upgrade({"replicaCount": 0})
        assert release.deployment.pods == []

        assert role_of(_created(cluster, namespace, {})) is None
        with pytest.raises(ApiError) as refused:
            _created(cluster, namespace, REQUIRED)
        measured(f"refused with every replica stopped: {refused.value.code} {refused.value.message}")
        assert refused.value.code == 500
        assert 'failed calling webhook "required.pod-identity-webhook.amazonaws.com"' in refused.value.message
        cluster.admin.create(service_accounts("kube-system"), service_account("app", ROLE))
        assert role_of(_created(cluster, "kube-system", REQUIRED)) is None
        # The label that requires a role, in the values or on the namespace, must not keep the webhook from starting.
        template = Rendered({"podLabels": REQUIRED}, namespace=release.namespace).pod
        cluster.admin.patch(f"/api/v1/namespaces/{release.namespace}", {"metadata": {"labels": REQUIRED}})
        ours = {"metadata": {"name": "ours", "labels": template["metadata"]["labels"]}}
        cluster.admin.create(pods(release.namespace), {**ours, "spec": template["spec"]}, dryRun="All")

        release.upgrade({})
        assert role_of(_created(cluster, namespace, REQUIRED)) == ROLE
    finally:
        cluster.admin.patch(system, {"metadata": {"labels": {label: None}}})
        cluster.kubectl("delete", "--ignore-not-found", "--namespace=kube-system", "serviceaccount/app")


def test_a_values_file_of_the_popular_chart_installs_and_gives_roles(cluster: Cluster, tmp_path: Path) -> None:
    define_foreign_kinds(cluster)
    cluster.kubectl("create", "namespace", "monitoring")
    values = yaml.safe_load(POPULAR_VALUES.read_text(encoding="utf-8"))
    release = HelmRelease(cluster, tmp_path, name="identity")
    try:
        # Act as cert-manager, which is not installed.
        ca = issue_ca(datetime.now(UTC), common_name="CA of cert-manager")
        release.admin.create(release.secrets, _certificate_secret("identity-tls", ca, release.leaf(ca)))
        release.install(values)

        # With this chart's probes, a ready pod listens, but clients may not trust it yet.
        wait_until(lambda: _region(cluster) == "us-east-1", "pods to be patched", within=60)
        release.assert_serves(ca.certificate)
        assert release.deployment.trouble == []
    finally:
        release.close()
        cluster.kubectl("delete", "--ignore-not-found", "namespace/monitoring", "--wait=false")


def _created(cluster: Cluster, namespace: str, labels: dict[str, str]) -> Object:
    return cluster.admin.create(pods(namespace), pod("app", "app", labels=labels), dryRun="All")


def _injected_namespace(cluster: Cluster) -> str:
    namespace = cluster.namespace("injected")
    cluster.admin.create(service_accounts(namespace), service_account("app", ROLE))
    return namespace


def _region(cluster: Cluster) -> str | None:
    """Returns the region that a pod gets now."""
    created = _created(cluster, _injected_namespace(cluster), {})
    (container,) = created["spec"]["containers"]
    return next((one["value"] for one in container.get("env", []) if one["name"] == "AWS_REGION"), None)


def _wait_served(release: HelmRelease, ca: Pair) -> None:
    wait_until(
        lambda: all(is_issued_by(each.served(), ca.certificate) for each in release.deployment.pods),
        "a leaf of that CA to be served",
        within=60,
        last_seen=release.deployment.last_lines,
    )
    release.assert_serves(ca.certificate)


def _certificate_secret(name: str, ca: Pair, leaf: Pair) -> Object:
    data = {"ca.crt": ca.certificate, "tls.crt": leaf.certificate, "tls.key": leaf.private_key}
    encoded = {key: b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name}, "type": "kubernetes.io/tls", "data": encoded}


def _pem_values(ca: Pair, leaf: Pair) -> Values:
    return {
        "pki": {
            "caBundle": ca.certificate.decode(),
            "cert": leaf.certificate.decode(),
            "key": leaf.private_key.decode(),
        }
    }


def _named_like_us(cluster: Cluster) -> set[str]:
    """Returns all objects whose name contains ours, labelled or not."""
    return {one for one in inventory(cluster.admin) if NAME in one}
