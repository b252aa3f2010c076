import json

import pytest

from webhook.diagnosis.own_values import UNKNOWN, own_values, own_values_applied

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_MANIFEST = {"spec": {"containers": [{"name": "app", "env": [{"name": "AWS_ROLE_ARN", "value": "role"}]}]}}


def test_a_manifest_that_kubectl_apply_recorded_tells_what_is_the_authors() -> None:
    own = own_values_applied({_APPLIED: json.dumps(_MANIFEST)})

    assert own == own_values(_MANIFEST)
    assert own.variables == {"app": {"AWS_ROLE_ARN"}}


@pytest.mark.parametrize("annotations", [{}, {_APPLIED: "no JSON"}, {_APPLIED: "[]"}], ids=["none", "text", "a list"])
def test_without_a_record_nobody_knows_what_is_the_authors(annotations: dict[str, str]) -> None:
    assert own_values_applied(annotations) is UNKNOWN
