"""Writes the descriptions in values.schema.json from the comments in values.yaml, and files/keys.json from the schema.

Editors show the descriptions. files/keys.json has the keys of each of the chart's maps, so that a template can name the
key that is nearest to an unknown one. `--check` only compares.
"""

import json
import sys
from pathlib import Path
from typing import Any

from charts.readme import CHART, comments

SCHEMA = CHART / "values.schema.json"
KEYS = CHART / "files/keys.json"


def described(schema: dict[str, Any], texts: dict[str, str], place: str = "") -> dict[str, Any]:
    """The schema with these descriptions, by dotted path. What has no text keeps its description."""
    made = dict(schema)
    if place in texts:
        made = {"description": texts[place]} | {key: value for key, value in made.items() if key != "description"}
    if "properties" in made:
        prefix = f"{place}." if place else ""
        made["properties"] = {key: described(below, texts, prefix + key) for key, below in made["properties"].items()}
    return made


def keys(schema: dict[str, Any], place: str = "") -> dict[str, list[str]]:
    """The keys of the schema's maps, by the dotted path that precedes them; the path is empty for the top."""
    found: dict[str, list[str]] = {}
    if "properties" in schema:
        found[place] = sorted(schema["properties"])
        for key, below in schema["properties"].items():
            found |= keys(below, f"{place}{key}.")
    return found


def written(schema_text: str, values_text: str) -> dict[Path, str]:
    """The texts of the files that this script writes."""
    schema = described(json.loads(schema_text), comments(values_text))
    # One line for each map, so that a diff shows which key is new.
    lines = [f"  {json.dumps(place)}: {json.dumps(found)}" for place, found in sorted(keys(schema).items())]
    return {SCHEMA: json.dumps(schema, indent=2) + "\n", KEYS: "{\n" + ",\n".join(lines) + "\n}\n"}


def main(arguments: list[str]) -> int:
    """Writes the files; with `--check`, returns 1 if one is out of date."""
    files = written(SCHEMA.read_text(encoding="utf-8"), (CHART / "values.yaml").read_text(encoding="utf-8"))
    if "--check" in arguments:
        return int(any(path.read_text(encoding="utf-8") != text for path, text in files.items()))
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
