import json
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
import yaml

from tests.charts.rendering import CHART, Rendered, Values

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"mutatingWebhook": {"failurePolicy": "ignore"}}, "at '/mutatingWebhook/failurePolicy'"),
        ({"mutatingWebhook": {"timeoutSeconds": 31}}, "at '/mutatingWebhook/timeoutSeconds'"),
        ({"replicaCount": "2"}, "at '/replicaCount': got string, want integer"),
        ({"hostNetwork": "false"}, "at '/hostNetwork': got string, want boolean"),
        ({"service": {"ipFamilyPolicy": "DualStack"}}, "at '/service/ipFamilyPolicy'"),
        ({"serviceAccount": {"labels": {"a": 1}}}, "at '/serviceAccount/labels/a': got number, want string"),
        ({"image": {"digest": "sha256:1"}}, "at '/image/digest'"),
        ({"config": {"annotationPrefix": "Example.com/"}}, "at '/config/annotationPrefix'"),
        ({"config": {"drainPeriod": "1m"}}, "at '/config/drainPeriod'"),
        ({"config": {"ports": {"webhook": 0}}}, "at '/config/ports/webhook'"),
        ({"podDisruptionBudget": {"maxUnavailable": "half"}}, "at '/podDisruptionBudget/maxUnavailable'"),
        ({"podLabels": {"a": 1}}, "at '/podLabels/a': got number, want string"),
        ({"pki": {"selfManaged": {"caLifetime": "10y"}}}, "at '/pki/selfManaged/caLifetime'"),
    ],
)
def test_mistakes_are_refused_by_name(values: Values, reason: str) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        Rendered(values)

    assert reason in str(refused.value)


def test_values_for_all_charts_of_a_parent_are_let_through() -> None:
    assert Rendered({"global": {"whatever": 1}}).objects


def test_schema_and_defaults_know_the_same_keys() -> None:
    described = {path for path in _described(SCHEMA, "") if not path.startswith(("/global", "/cert-manager"))}

    for path in _given(DEFAULTS, ""):
        assert path in described, f"{path} is not in the schema"
    for path in described:
        assert _has(DEFAULTS, path), f"{path} has no default"


def test_every_key_has_a_description() -> None:
    assert [path for path, below in _properties(SCHEMA, "") if not below.get("description")] == []


def _properties(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, below in schema.get("properties", {}).items():
        yield f"{path}/{key}", below
        yield from _properties(below, f"{path}/{key}")


def _described(schema: dict[str, Any], path: str) -> Iterator[str]:
    """The keys in the schema of the chart's own maps. Kubernetes itself checks the keys of its maps."""
    for key, below in schema.get("properties", {}).items():
        yield f"{path}/{key}"
        if path not in {"/mutatingWebhook/namespaceSelector", "/mutatingWebhook/objectSelector", "/strategy"}:
            yield from _described(below, f"{path}/{key}")


def _given(values: dict[str, Any], path: str) -> Iterator[str]:
    properties = _schema_at(path).get("properties", {})
    for key, value in values.items():
        yield f"{path}/{key}"
        if isinstance(value, dict) and properties.get(key, {}).get("properties"):
            yield from _given(value, f"{path}/{key}")


def _schema_at(path: str) -> dict[str, Any]:
    schema: dict[str, Any] = SCHEMA
    for key in path.split("/")[1:]:
        schema = schema["properties"][key]
    return schema


def _has(values: Any, path: str) -> bool:
    for key in path.split("/")[1:]:
        if values == {}:
            return True
        if not isinstance(values, dict) or key not in values:
            return False
        values = values[key]
    return True
