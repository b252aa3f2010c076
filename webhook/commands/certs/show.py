"""`certs show`: shows the served certificate, the Secret and the caBundle, and whether they match."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from webhook.commands.address import address_problems
from webhook.commands.certs.cluster import name_problems
from webhook.commands.certs.findings import findings
from webhook.commands.certs.flags import SHOW_FLAGS
from webhook.commands.certs.output import as_json, text
from webhook.commands.certs.reading import read_facts
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import parse
from webhook.errors import SettingsError

_ABOUT: Final = (
    "Shows the certificate that the webhook serves, who makes and renews it, the certificates in its Secret and in the "
    "caBundle of its entries, when each expires, and whether they match. It never shows private keys. If it cannot "
    "read the Secret or reach the webhook, it says so and shows the rest. "
    "Exit code: 0 if there are no findings; 1 if there is one, or access to the cluster fails; 2 for wrong usage."
)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(SHOW_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("certs show [flags]", _ABOUT, SHOW_FLAGS))
        return 0
    parsed.problems += [f"{word!r}: certs show takes flags only" for word in parsed.positionals]
    parsed.problems += name_problems(parsed)
    values = parsed.values
    if not values["webhook_configuration"]:
        parsed.problems.append("--webhook-configuration: must not be empty")
    parsed.problems += address_problems("--address", values["address"])
    if parsed.problems:
        raise SettingsError(parsed.problems)
    facts = asyncio.run(read_facts(parsed, environ))
    now = datetime.now(UTC)
    problems = findings(facts, now)
    print((as_json if values["output"] == "json" else text)(facts, problems, now), end="")
    return 1 if problems else 0
