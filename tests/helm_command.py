"""A helm command line as a document shows it, for the Helm SDK."""

import argparse
import shlex
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HelmCommand:
    """One command: `chart` is a path, empty where the verb takes none; `values` are those of --set."""

    verb: str
    release: str
    chart: str
    namespace: str
    create_namespace: bool
    values: dict[str, Any]


def helm_command(line: str) -> HelmCommand:
    """Reads `helm VERB RELEASE [CHART] [flags]`. Exits where a flag or verb is none that the documents use."""
    parser = argparse.ArgumentParser(prog="helm", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("install", "upgrade", "test", "uninstall"):
        one = verbs.add_parser(verb, allow_abbrev=False)
        one.add_argument("release")
        if verb in {"install", "upgrade"}:
            one.add_argument("chart")
            one.add_argument("--set", action="append", default=[])
        if verb == "install":
            one.add_argument("--create-namespace", action="store_true")
        one.add_argument("--namespace", default="default")
    found = vars(parser.parse_args(shlex.split(line)[1:]))
    values: dict[str, Any] = {}
    for assignment in found.get("set", []):
        path, _, value = assignment.partition("=")
        *parents, name = path.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return HelmCommand(
        found["verb"],
        found["release"],
        found.get("chart", ""),
        found["namespace"],
        found.get("create_namespace", False),
        values,
    )
