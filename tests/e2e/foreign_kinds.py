"""Defines the kinds of other projects that the chart uses, as far as an API server must know them."""

from typing import Final

from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.waiting import wait_until

_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_KINDS: Final = {
    "cert-manager.io": ("v1", ["Certificate", "Issuer"]),
    "monitoring.coreos.com": ("v1", ["ServiceMonitor", "PodMonitor", "PrometheusRule"]),
}


def define_foreign_kinds(cluster: Cluster) -> None:
    """Makes the API server serve these kinds, if it does not yet."""
    for group, (version, kinds) in _KINDS.items():
        for kind in kinds:
            _create(cluster, _definition(group, version, kind))
        wait_until(lambda where=(group, version, kinds): _is_served(cluster, *where), group, within=30)  # type: ignore[misc]


def _create(cluster: Cluster, definition: Object) -> None:
    try:
        cluster.admin.create(_DEFINITIONS, definition)
    except ApiError as error:
        if error.code != 409:
            raise


def _is_served(cluster: Cluster, group: str, version: str, kinds: list[str]) -> bool:
    try:
        resources = cluster.admin.get(f"/apis/{group}/{version}")["resources"]
    except ApiError as error:
        if error.code in {404, 503}:
            return False
        raise
    return set(kinds) <= {resource["kind"] for resource in resources}


def _definition(group: str, version: str, kind: str) -> Object:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [served],
        },
    }
