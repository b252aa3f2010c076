"""A helm command line as a document shows it, for the Helm SDK."""

import argparse
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class HelmCommand:
    """One command: `chart` is a path, empty where the verb takes none.

    `values` are those of --set; `values_files` and `set_files` are the arguments of --values and --set-file.
    """

    verb: str
    release: str
    chart: str
    namespace: str
    create_namespace: bool
    values: dict[str, Any]
    values_files: tuple[str, ...] = ()
    set_files: Mapping[str, str] = field(default_factory=dict)

    def all_values(self, folder: Path) -> dict[str, Any]:
        """The values as helm merges them, with files from this folder."""
        made: dict[str, Any] = {}
        for name in self.values_files:
            _merge(made, yaml.safe_load((folder / name).read_text(encoding="utf-8")) or {})
        _merge(made, self.values)
        for path, name in self.set_files.items():
            _put(made, path, (folder / name).read_text(encoding="utf-8"))
        return made


def helm_command(line: str) -> HelmCommand:
    """Reads `helm VERB RELEASE [CHART] [flags]`. Exits where a flag or verb is none that the documents use."""
    parser = argparse.ArgumentParser(prog="helm", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("install", "upgrade", "test", "uninstall", "get"):
        one = verbs.add_parser(verb, allow_abbrev=False)
        if verb == "get":
            one.add_argument("what", choices=["values"])
        one.add_argument("release")
        if verb in {"install", "upgrade"}:
            one.add_argument("chart")
            for flag in ("--set", "--set-file", "--values"):
                one.add_argument(flag, action="append", default=[])
        if verb == "install":
            one.add_argument("--create-namespace", action="store_true")
        one.add_argument("--namespace", default="default")
    found = vars(parser.parse_args(shlex.split(line)[1:]))
    values: dict[str, Any] = {}
    for assignment in found.get("set", []):
        path, _, value = assignment.partition("=")
        # As helm reads them: these two words are bools.
        _put(values, path, {"true": True, "false": False}.get(value, value))
    return HelmCommand(
        found["verb"],
        found["release"],
        found.get("chart", ""),
        found["namespace"],
        found.get("create_namespace", False),
        values,
        tuple(found.get("values", [])),
        dict(assignment.split("=", 1) for assignment in found.get("set_file", [])),
    )


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[name] = value


def _merge(into: dict[str, Any], part: Mapping[str, Any]) -> None:
    for key, value in part.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value
