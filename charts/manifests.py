"""Renders the chart for people without Helm: deploy/pod-identity-webhook.yaml and deploy/policies.yaml."""

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
# {NAME} with the chart's default values, for Kubernetes 1.21 or newer (policy/v1).
# `make manifests` writes this file.
#
# There is no published image: build and push one (README.md), set `image:` below to its name, then apply this file with
# `kubectl apply --server-side -f`. On Kubernetes 1.30 or newer, also apply policies.yaml.
"""
_POLICIES_HEADER = f"""\
# The ValidatingAdmissionPolicies of {NAME}, for Kubernetes 1.30 or newer.
# `make manifests` writes this file.
"""
_NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": NAME, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
}
# The oldest version with policy/v1, which the newest versions have too.
_OLDEST = "1.21.0"
_OLDEST_WITH_POLICIES = "1.30.0"
_POLICY_KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_OF_HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by")
# Pods need their ServiceAccount and rights first. The API server must not call the webhook before its pods can exist.
_FIRST = ("Namespace", "ServiceAccount", "Secret", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_LAST = "MutatingWebhookConfiguration"


def objects(version: str) -> Iterator[dict[str, Any]]:
    """The objects that the chart renders for a version of Kubernetes, without hooks and without Helm's labels."""
    # The default values, but without the tests: without Helm, nobody would run them.
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
    """The objects that every version since the oldest accepts."""
    return _HEADER + _written(sorted([_NAMESPACE, *objects(_OLDEST)], key=_place))


def policies() -> str:
    """The policies, which older versions do not support."""
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
