"""Renders the chart for people without Helm: deploy/pod-identity-webhook.yaml, and deploy/policies.yaml beside it."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts/pod-identity-webhook"
MANIFESTS = ROOT / "deploy/pod-identity-webhook.yaml"
POLICIES = ROOT / "deploy/policies.yaml"
NAME = "pod-identity-webhook"
_HEADER = f"""\
# {NAME} with the chart's default values, for Kubernetes 1.21 or newer (policy/v1). Made by `make manifests`.
#
# No image is published: build and push one (README.md), edit `image:` below to its name, then
# kubectl apply --server-side -f this file. On Kubernetes 1.30 or newer, apply policies.yaml too.
"""
_POLICIES_HEADER = f"""\
# The ValidatingAdmissionPolicies of {NAME}, for Kubernetes 1.30 or newer. Made by `make manifests`.
"""
_NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": NAME, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
# The first with policy/v1, which the newest still have.
_OLDEST = "1.21.0"
_OLDEST_WITH_POLICIES = "1.30.0"
_POLICY_KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_OF_HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by")
# A pod finds its ServiceAccount and rights there already; the webhook is called only once it can be there.
_FIRST = ("Namespace", "ServiceAccount", "Secret", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_LAST = "MutatingWebhookConfiguration"


def objects(version: str) -> Iterator[dict[str, Any]]:
    """What the chart renders for a version of Kubernetes, without hooks and without what says that it is Helm's."""
    # The values' own defaults but for the tests: nobody would run them.
    values = {"tests": {"enabled": False}, "kubeVersionOverride": version}
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(values, name=NAME, namespace=NAME)
    for path, text in rendered.items():
        if path.endswith(".txt"):
            continue
        for found in yaml.safe_load_all(text):
            if found:
                for label in _OF_HELM:
                    found["metadata"]["labels"].pop(label)
                yield found


def manifests() -> str:
    """All that any version since the oldest takes."""
    return _HEADER + _written(sorted([_NAMESPACE, *objects(_OLDEST)], key=_place))


def policies() -> str:
    """What older versions do not know."""
    return _POLICIES_HEADER + _written(one for one in objects(_OLDEST_WITH_POLICIES) if one["kind"] in _POLICY_KINDS)


def _written(found: Iterable[dict[str, Any]]) -> str:
    return "".join("---\n" + yaml.safe_dump(one, sort_keys=False, width=120) for one in found)


def _place(one: dict[str, Any]) -> tuple[int, str]:
    kind = one["kind"]
    middle = len(_FIRST)
    return (_FIRST.index(kind) if kind in _FIRST else middle + (kind == _LAST)), kind


def main() -> int:
    """Writes the files."""
    MANIFESTS.parent.mkdir(exist_ok=True)
    MANIFESTS.write_text(manifests(), encoding="utf-8")
    POLICIES.write_text(policies(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
