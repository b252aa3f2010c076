"""The objects in the API server that the harness's Deployment has no controllers for: pods and their endpoints.

The webhook's pods are processes of the tests. These objects have their addresses, so that a client finds them.
"""

from typing import Final

from tests.e2e.api import Object
from tests.e2e.helm_release import HelmRelease
from tests.e2e.objects import pods, service_accounts

# The API server refuses endpoints on loopback. Nothing connects to this one (RFC 5737).
_ENDPOINT: Final = "192.0.2.1"


def publish_replicas(release: HelmRelease, *, ready: bool = True) -> None:
    """Creates a Pod for each replica, with its real address, and the endpoints of the Service."""
    release.admin.ensure(service_accounts(release.namespace), {"metadata": {"name": "default"}})
    for number, replica in enumerate(release.deployment.pods):
        name = f"{release.name}-{number}"
        template = replica.template
        spec = {**template["spec"], "automountServiceAccountToken": False, "serviceAccountName": "default"}
        metadata = {"name": name, "labels": template["metadata"]["labels"]}
        release.admin.ensure(pods(release.namespace), {"metadata": metadata, "spec": spec})
        status = {
            "phase": "Running",
            "podIP": replica.address,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        }
        release.admin.patch(f"{pods(release.namespace)}/{name}/status", {"status": status})
    publish_endpoints(release, ready=ready)


def publish_endpoints(release: HelmRelease, *, ready: bool) -> None:
    """Writes the Endpoints, and from Kubernetes 1.21 the EndpointSlice, of the Service."""
    name, namespace = release.name, release.namespace
    addresses = [{"ip": _ENDPOINT}]
    ports = [{"name": "https", "port": 8443}]
    subset = {("addresses" if ready else "notReadyAddresses"): addresses, "ports": ports}
    path = f"/api/v1/namespaces/{namespace}/endpoints"
    _put(release, path, {"metadata": {"name": name}, "subsets": [subset]})
    if release.cluster.version >= (1, 21):
        sliced = {
            "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [_ENDPOINT], "conditions": {"ready": ready}}],
            "ports": ports,
        }
        _put(release, f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", sliced)


def _put(release: HelmRelease, path: str, made: Object) -> None:
    one = f"{path}/{made['metadata']['name']}"
    if release.is_there(one):
        release.admin.delete(one)
    release.admin.create(path, made)
