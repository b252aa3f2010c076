# ruff: noqa: INP001 - a script
"""Writes the parts of the documentation that come from the code: docs/flags.md.

`--check` only compares, for the tests.
"""

import sys
from pathlib import Path

from webhook.commands.audit.flags import AUDIT_FLAGS
from webhook.commands.flags.by_command import REPLAY_FLAGS, SERVE_FLAGS, is_ignored
from webhook.commands.flags.help import markdown_table
from webhook.commands.table import COMMANDS

FLAGS = Path(__file__).parent / "flags.md"


def flags_page() -> str:
    """The whole page."""
    serve = [flag for flag in SERVE_FLAGS if not is_ignored(flag)]
    ignored = ", ".join(f"`--{flag.name}`" for flag in SERVE_FLAGS if is_ignored(flag))
    admission = {flag.name for flag in SERVE_FLAGS}
    replay = [flag for flag in REPLAY_FLAGS if flag.name not in admission or flag.group == "Input and output"]
    audit = [flag for flag in AUDIT_FLAGS if flag.name not in admission or flag.command or flag.group == "The cluster"]
    return f"""# Flags

<!-- Written by `make docs` from the tables in webhook/commands. -->

Write flags as for the webhook that AWS publishes: `--flag value` or `--flag=value`, a bool with or without `=value`,
names with dashes or underscores. A flag overrides its environment variable, and the variable overrides the default.
Write durations as Go does (`100ms`, `1m30s`). If any flags are wrong, the command reports all of their errors and exits
with code 2.

Each flag is also an environment variable. If a flag means the same as a flag of `serve`, or names the cluster, its
variable is `PIW_` and its name, in every command. The variables of all other flags carry their command's name:
`PIW_REPLAY_OUTPUT`, `PIW_CERTS_OUTPUT`; if a flag differs between sub-commands, the sub-command's name too:
`PIW_TRUST_POLICY_RENDER_OUTPUT`. So a variable never means two things. `PIW_NAMESPACE` is the namespace of the
webhook; `replay --namespace`, the namespace of objects that have none, is `PIW_REPLAY_NAMESPACE`. Flags that consent to
a change, such as `--yes`, have no variable.

`pod-identity-webhook help COMMAND` lists a command's flags; `version`, `--version` and `-V` print the version.
`pod-identity-webhook completion bash` (or `zsh`, `fish`) prints a script that completes commands, flags and values;
its `--help` says how to load it.

If `serve` cannot use a file, a port or a cluster that a flag names, it exits with code 1.

## serve

{markdown_table(serve)}

`serve` accepts the following flags because the other webhook has them. They have no effect, and one log line says so:
{ignored}.

## replay

`replay` has all flags of `serve` that determine what pods get, including those for container credentials, and these:

{markdown_table(replay)}

## audit

`audit` has the same flags of `serve` as `replay`, and these:

{markdown_table(audit)}

{_commands()}"""


def _commands() -> str:
    """The flags of every other command, alone or in a group."""
    alone = [(one.name, one) for one in COMMANDS.commands if one.flags and one.name not in {"serve", "replay", "audit"}]
    grouped = [(f"{group.name} {one.name}", one) for group in COMMANDS.commands for one in group.commands]
    return "\n".join(f"## {name}\n\n{markdown_table(command.load_flags())}\n" for name, command in [*grouped, *alone])


if __name__ == "__main__":
    page = flags_page()
    if "--check" in sys.argv[1:]:
        sys.exit("docs/flags.md is out of date: run make docs" if FLAGS.read_text() != page else 0)
    FLAGS.write_text(page)
