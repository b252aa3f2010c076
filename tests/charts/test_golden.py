"""Compares the renders of a few sets of values with files. `python -m tests.charts.test_golden` rewrites the files."""

from pathlib import Path

import pytest
import yaml

from tests.charts.matrix import AUDIT, CERT_MANAGER, MATRIX, PEM_VALUES, POLICIES
from tests.charts.rendering import Rendered, Values

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, Values] = {
    "defaults": {},
    "cert-manager": CERT_MANAGER,
    "pem-values": PEM_VALUES,
    "everything-of-a-pod": MATRIX["everything of a pod"],
    "policies": POLICIES,
    "audit": AUDIT,
    "kubernetes-1.30": {"kubeVersionOverride": "1.30.0"},
    "kubernetes-1.20": {"kubeVersionOverride": "1.20.2", "autoscaling": {"enabled": True}},
}


def render(values: Values) -> str:
    return yaml.safe_dump_all(Rendered(values).objects, sort_keys=False, width=120)


@pytest.mark.parametrize("name", CASES)
def test_the_render_is_the_golden_one(name: str) -> None:
    assert render(CASES[name]) == (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")


if __name__ == "__main__":
    for name, values in CASES.items():
        (GOLDEN / f"{name}.yaml").write_text(render(values), encoding="utf-8")
