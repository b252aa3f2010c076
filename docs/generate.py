# ruff: noqa: INP001 - a script
"""Writes the parts of the documentation that come from the code: docs/flags.md.

`--check` only compares, for the tests.
"""

import sys
from pathlib import Path

from webhook.commands.certs.flags import ISSUE_FLAGS, ROTATE_FLAGS, SHOW_FLAGS
from webhook.commands.flags.help import markdown_table
from webhook.commands.flags.table import REPLAY_FLAGS, SERVE_FLAGS, is_ignored

FLAGS = Path(__file__).parent / "flags.md"


def flags_page() -> str:
    """The whole page."""
    serve = [flag for flag in SERVE_FLAGS if not is_ignored(flag)]
    ignored = ", ".join(f"`--{flag.name}`" for flag in SERVE_FLAGS if is_ignored(flag))
    admission = {flag.name for flag in SERVE_FLAGS}
    replay = [flag for flag in REPLAY_FLAGS if flag.name not in admission or flag.group == "Input and output"]
    return f"""# Flags

<!-- Written by `make docs` from the tables in webhook/commands. -->

Spelling follows the webhook that AWS publishes: `--flag value` or `--flag=value`, a bool with or without `=value`,
dashes or underscores. A flag wins over its environment variable, and that over the default. Durations are written as Go
writes them (`100ms`, `1m30s`). Whatever is wrong with flags is said at once, with exit code 2; where a file, a port or
a cluster that they name cannot be used, `serve` ends with 1.

## serve

{markdown_table(serve)}

Accepted because the other webhook has them, without meaning here, with one notice: {ignored}.

## replay

All flags of `serve` that say what pods get, container credentials included, and

{markdown_table(replay)}

## certs show

{markdown_table(SHOW_FLAGS)}

## certs rotate

{markdown_table(ROTATE_FLAGS)}

## certs issue

{markdown_table(ISSUE_FLAGS)}
"""


if __name__ == "__main__":
    page = flags_page()
    if "--check" in sys.argv[1:]:
        sys.exit("docs/flags.md is out of date: run make docs" if FLAGS.read_text() != page else 0)
    FLAGS.write_text(page)
