"""Applies the chart's ValidatingAdmissionPolicies to a cluster, with the objects that they protect."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

from tests.charts.rendering import Object, Rendered, Values, is_hook, merged
from tests.e2e.cluster import Cluster

KINDS: Final = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_WITH_THEM: Final = (*KINDS, "MutatingWebhookConfiguration", "ServiceAccount", "ClusterRole", "ClusterRoleBinding")
_NUMBERS: Final = count(1)


@contextmanager
def applied(cluster: Cluster, namespace: str, values: Values) -> Iterator[Rendered]:
    """Applies a release's policies, MutatingWebhookConfiguration and RBAC; removes all at the end."""
    name = {"fullnameOverride": f"policies-{next(_NUMBERS)}"}
    version = {"kubeVersionOverride": ".".join(map(str, cluster.version))}
    rendered = Rendered(merged(values, name, version), namespace=namespace)
    objects = [one for one in rendered.objects if one["kind"] in _WITH_THEM and not is_hook(one)]
    together: Object = {"apiVersion": "v1", "kind": "List", "items": objects}
    try:
        answer = cluster.kubectl("apply", "-f", "-", stdin=together)
        assert (answer.returncode, answer.stderr) == (0, ""), answer.stderr
        yield rendered
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=together)
