from base64 import b64decode
from xml.etree import ElementTree as ET

import yaml

from tests.charts.rendering import CHART
from webhook import __version__

METADATA = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))


def test_the_chart_installs_the_version_that_it_comes_with() -> None:
    assert METADATA["appVersion"] == METADATA["version"] == __version__
    assert METADATA["kubeVersion"] == ">=1.20.0-0"


def test_the_icon_is_the_picture_in_the_chart() -> None:
    head, _, data = METADATA["icon"].partition(",")

    assert head == "data:image/svg+xml;base64"
    assert b64decode(data) == (CHART / "files/icon.svg").read_bytes().strip()
    assert ET.fromstring(b64decode(data)).tag.endswith("svg")


def test_the_chart_claims_no_home_and_no_maintainer_that_nobody_could_reach() -> None:
    assert METADATA.keys() & {"home", "sources", "maintainers"} == set()
