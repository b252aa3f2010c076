"""`trust-policy lint`: finds the mistakes in trust policies."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.screen import cell, screen
from webhook.commands.trust_policy.flags import LINT_FLAGS
from webhook.commands.trust_policy.inputs import read_policy_file, shown_name, standard_input_problems
from webhook.errors import SettingsError
from webhook.issuer.trust_policy.lint.finding import Finding
from webhook.issuer.trust_policy.lint.policy import lint
from webhook.terminal import one_line

_ABOUT: Final = (
    "Finds the mistakes in trust policies for ServiceAccounts, each with its place and the fix. A FILE is a policy as "
    "JSON, the same URL-encoded, or the output of 'aws iam get-role'; '-' is standard input. A good policy gives no "
    "output. Exit code: 0 if there is no finding; 1 if there is one; 2 for wrong usage, or a FILE that is no policy."
)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(LINT_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("trust-policy lint FILE... [flags]", _ABOUT, LINT_FLAGS))
        return 0
    if not parsed.positionals:
        parsed.problems.append("name at least one FILE, or '-' for standard input")
    parsed.problems += standard_input_problems(parsed.positionals)
    if parsed.problems:
        raise SettingsError(parsed.problems)
    # Read all first: an unreadable file must not hide behind the findings of another.
    policies = [(shown_name(name), read_policy_file(name)) for name in parsed.positionals]
    found = [(name, finding, policy.line_of(finding.path)) for name, policy in policies for finding in lint(policy)]
    if parsed.values["output"] == "json":
        print(json.dumps([_as_json(*each) for each in found], indent=2))
    else:
        _print_text(found, parsed, environ)
    return 1 if found else 0


def _as_json(name: str, finding: Finding, line: int | None) -> dict[str, Any]:
    return {
        "file": name,
        "line": line,
        "path": finding.path,
        "rule": finding.rule,
        "what": finding.what,
        "fix": finding.fix,
    }


def _print_text(found: list[tuple[str, Finding, int | None]], parsed: Parsed, environ: Mapping[str, str]) -> None:
    console = screen(parsed.values["color"], environ)
    for name, finding, line in found:
        place = f"{name}:{line}" if line is not None else name
        console.print(
            Text.assemble(
                cell(one_line(f"{place}: {finding.path}"), "bold"),
                cell(one_line(f": {finding.what}")),
                cell(f" [{finding.rule}]", "red"),
                "\n  fix: ",
                cell(one_line(finding.fix), "green"),
            ),
            # A long line is the terminal's to fold: then it can be copied whole.
            soft_wrap=True,
        )
