"""Skips the chart's tests on platforms for which there is no Helm SDK."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("helm_python") else ["test_*.py"]
