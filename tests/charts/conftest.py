"""The chart's tests need the Helm SDK, which is not to be had for every platform."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("helm_python") else ["test_*.py"]
