"""The chart's objects on a real API server: it accepts them, and Helm leaves alone what the webhook writes."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import helm_python
import pytest

from certs.issue import Names, issue_ca, issue_leaf
from tests.charts.matrix import CERT_MANAGER, MATRIX, OWN_SECRET, PEM_VALUES
from tests.charts.rendering import CHART, Rendered, Values, is_hook, merged
from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.foreign_kinds import define_foreign_kinds

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
NAMES = count(1)
# No webhook runs for these releases: the API server must not call them for the pods of other tests.
NOBODYS: Values = {"mutatingWebhook": {"namespaceSelector": {"matchLabels": {"nobody": "here"}}}}
PUBLISHED = b64encode(b"what the webhook published").decode()
STATE = {"ca.crt": b64encode(b"what the webhook keeps").decode()}


def _real_pem_values() -> Values:
    """Returns PEM values with a real pair: newer API servers warn if the key in a TLS Secret does not match."""
    ca = issue_ca(datetime.now(UTC), common_name="CA of an admin")
    leaf = issue_leaf(ca, Names(dns=("example.com",)), datetime.now(UTC))
    pems = {"cert": leaf.certificate, "key": leaf.private_key, "caBundle": ca.certificate}
    return {"pki": {key: pem.decode() for key, pem in pems.items()}}


@pytest.fixture(scope="module")
def foreign_kinds(cluster: Cluster) -> None:
    define_foreign_kinds(cluster)


@pytest.fixture
def helm(cluster: Cluster, namespace: str) -> Iterator[helm_python.Config]:
    with helm_python.Config(kubeconfig_path=cluster.kubeconfig, namespace=namespace) as config:
        yield config


@pytest.mark.usefixtures("foreign_kinds")
@pytest.mark.parametrize("values", (MATRIX | {"PEM values": _real_pem_values()}).values(), ids=MATRIX)
def test_every_object_is_accepted(cluster: Cluster, namespace: str, values: Values) -> None:
    version = {"kubeVersionOverride": ".".join(map(str, cluster.version))}
    rendered = Rendered(merged(values, version, {"namespaceOverride": namespace}), namespace=namespace)
    cluster.admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "account"}})
    objects = [one for one in rendered.objects if not is_hook(one)]
    for one in objects:
        if "namespace" in one["metadata"]:
            # The namespace of monitors may be another, which does not exist.
            one["metadata"]["namespace"] = namespace
    for one in rendered.hooks():
        if one["kind"] == "Pod":
            # In a dry run, the chart's own ServiceAccount does not exist.
            one["spec"] |= {"serviceAccountName": "account", "automountServiceAccountToken": False}
        if one["kind"] != "Namespace":
            objects.append(one | {"metadata": one["metadata"] | {"namespace": namespace}})

    together = {"apiVersion": "v1", "kind": "List", "items": objects}
    answer = cluster.kubectl("create", "--dry-run=server", "--output=name", "-f", "-", stdin=together)

    assert answer.stderr == ""
    assert len(answer.stdout.splitlines()) == len(objects)


def test_helm_never_touches_what_the_webhook_writes(cluster: Cluster, namespace: str, helm: helm_python.Config) -> None:
    release = f"identity-{next(NAMES)}"
    name = f"{release}-pod-identity-webhook"
    helm.install(CHART, release, NOBODYS)
    try:
        _write_as_the_webhook_does(cluster, namespace, name)
        for values in ({"replicaCount": 3}, PEM_VALUES, OWN_SECRET, {}):
            helm.upgrade(CHART, release, merged(NOBODYS, values))
            assert _written(cluster, namespace, name) == (PUBLISHED, STATE, "Opaque"), values
        for version in (3, 1):
            helm.rollback(release, version=version)
            assert _written(cluster, namespace, name) == (PUBLISHED, STATE, "Opaque"), version
    finally:
        helm.uninstall(release)
    for path in (f"{CONFIGURATIONS}/{name}", f"/api/v1/namespaces/{namespace}/secrets/{name}"):
        with pytest.raises(ApiError, match="not found"):
            cluster.admin.get(path)


@pytest.mark.usefixtures("foreign_kinds")
def test_switching_to_cert_manager_and_back_keeps_what_the_webhook_writes(
    cluster: Cluster, namespace: str, helm: helm_python.Config
) -> None:
    release = f"identity-{next(NAMES)}"
    name = f"{release}-pod-identity-webhook"
    helm.install(CHART, release, NOBODYS)
    try:
        _write_as_the_webhook_does(cluster, namespace, name)
        helm.upgrade(CHART, release, merged(NOBODYS, CERT_MANAGER))
        certificates = cluster.admin.get(f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates")["items"]
        assert len(certificates) == 2
        assert _written(cluster, namespace, name) == (PUBLISHED, STATE, "Opaque")
        helm.upgrade(CHART, release, NOBODYS)
        assert _written(cluster, namespace, name) == (PUBLISHED, STATE, "Opaque")
        assert not cluster.admin.get(f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates")["items"]
    finally:
        helm.uninstall(release)


@pytest.mark.parametrize(
    "flags", [(), ("--server-side", "--force-conflicts")], ids=["merged by kubectl", "server-side"]
)
def test_applying_the_manifests_again_does_not_touch_what_the_webhook_writes(
    cluster: Cluster, namespace: str, flags: tuple[str, ...]
) -> None:
    name = f"identity-{next(NAMES)}"
    rendered = Rendered(
        merged(NOBODYS, {"fullnameOverride": name, "kubeVersionOverride": ".".join(map(str, cluster.version))}),
        namespace=namespace,
    )
    everything = {"apiVersion": "v1", "kind": "List", "items": [one for one in rendered.objects if not is_hook(one)]}
    try:
        for _ in range(2):
            answer = cluster.kubectl("apply", *flags, "-f", "-", stdin=everything)
            assert answer.returncode == 0, answer.stderr
            _write_as_the_webhook_does(cluster, namespace, name)
        assert cluster.kubectl("apply", *flags, "-f", "-", stdin=everything).returncode == 0
        assert _written(cluster, namespace, name) == (PUBLISHED, STATE, "Opaque")
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=everything)


def _write_as_the_webhook_does(cluster: Cluster, namespace: str, name: str) -> None:
    configuration = cluster.admin.get(f"{CONFIGURATIONS}/{name}")
    for entry in configuration["webhooks"]:
        entry["clientConfig"]["caBundle"] = PUBLISHED
    cluster.admin.call("PUT", f"{CONFIGURATIONS}/{name}", configuration, fieldManager="pod-identity-webhook")
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    secret = cluster.admin.get(path) | {"data": STATE}
    cluster.admin.call("PUT", path, secret, fieldManager="pod-identity-webhook")


def _written(cluster: Cluster, namespace: str, name: str) -> tuple[str, Object, str]:
    configuration = cluster.admin.get(f"{CONFIGURATIONS}/{name}")
    (bundle,) = {entry["clientConfig"].get("caBundle") for entry in configuration["webhooks"]}
    secret = cluster.admin.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    return bundle, secret.get("data", {}), secret["type"]
