"""Files that are generated from the chart are up to date."""

import importlib.util
from pathlib import Path
from types import ModuleType

import kubernetes_validate
import pytest
import yaml

from charts import schema
from charts.readme import comments
from tests.charts.rendering import CHART

ROOT = CHART.parents[1]


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"charts/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_values_are_in_step() -> None:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    values = (CHART / "values.yaml").read_text(encoding="utf-8")

    assert text == _script("readme").page(text, values), "run make docs"


def test_the_descriptions_of_the_schema_and_the_list_of_keys_are_in_step() -> None:
    values = (CHART / "values.yaml").read_text(encoding="utf-8")

    for path, text in schema.written(schema.SCHEMA.read_text(encoding="utf-8"), values).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make docs"


def test_a_comment_of_a_map_describes_it_and_what_has_none_keeps_its_description() -> None:
    texts = comments("# Map.\na:\n  # One.\n  b: 1\n  c: 2\n")
    below = {"b": {"type": "integer", "description": "old"}, "c": {"description": "kept"}}

    made = schema.described({"properties": {"a": {"properties": below}}}, texts)

    assert texts == {"a": "Map.", "a.b": "One."}
    assert made["properties"]["a"] == {
        "description": "Map.",
        "properties": {"b": {"description": "One.", "type": "integer"}, "c": {"description": "kept"}},
    }
    assert schema.keys(made) == {"": ["a"], "a.": ["b", "c"]}


def test_every_value_has_a_comment() -> None:
    values = list(_script("readme").values((CHART / "values.yaml").read_text(encoding="utf-8")))

    assert [value.path for value in values if not value.comment] == []
    assert len(values) > 100


def test_a_comment_belongs_to_the_key_below_it() -> None:
    text = "# Of all.\n\n# First,\n# and on.\na: 1\nb:\n  # Inner.\n  c: [x]\n# Whole.\nd:\n  e: {}\nf: null\n"
    found = [(value.path, value.default, value.comment) for value in _script("readme").values(text)]

    assert found == [
        ("a", 1, "First, and on."),
        ("b.c", ["x"], "Inner."),
        ("d", {"e": {}}, "Whole."),
        ("f", None, ""),
    ]


def test_the_plain_manifests_are_in_step() -> None:
    written = (ROOT / "deploy/pod-identity-webhook.yaml").read_text(encoding="utf-8")

    assert written == _script("manifests").manifests(), "run make manifests"


def test_the_plain_policies_are_in_step_and_of_the_oldest_version_that_knows_them() -> None:
    text = (ROOT / "deploy/policies.yaml").read_text(encoding="utf-8")

    assert text == _script("manifests").policies(), "run make manifests"
    found = list(yaml.safe_load_all(text))
    names = [
        "pod-identity-webhook-pod-identity-webhook-ca-bundle",
        "pod-identity-webhook-pod-identity-webhook-service-accounts",
    ]
    kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"]
    assert [(one["metadata"]["name"], one["kind"]) for one in found] == [
        (name, kind) for name in names for kind in kinds
    ]
    for one in found:
        kubernetes_validate.validate(one, "1.30", strict=True)


def test_the_plain_manifests_are_whole_and_say_nothing_of_helm() -> None:
    text = (ROOT / "deploy/pod-identity-webhook.yaml").read_text(encoding="utf-8")
    kinds = [one["kind"] for one in yaml.safe_load_all(text)]

    assert kinds[0] == "Namespace"
    assert kinds[-1] == "MutatingWebhookConfiguration"
    assert sorted(kinds) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "Deployment",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Secret",
        "Service",
        "ServiceAccount",
    ]
    assert "helm" not in text.lower().partition("---")[2]


def test_the_plain_manifests_say_what_to_edit_and_have_no_field_that_older_versions_lack() -> None:
    text = (ROOT / "deploy/pod-identity-webhook.yaml").read_text(encoding="utf-8")
    head, _, _ = text.partition("---")

    assert "Kubernetes 1.21 or newer" in head
    assert "set `image:`" in head
    for one in yaml.safe_load_all(text):
        # The oldest version that has a schema. Older API servers have no additional fields.
        kubernetes_validate.validate(one, "1.25", strict=True)


@pytest.mark.parametrize("file", ["Chart.yaml", "values.yaml", "README.md", "templates/NOTES.txt"])
def test_text_is_plain(file: str) -> None:
    assert Path(CHART, file).read_text(encoding="utf-8").isascii()
