"""`issuer thumbprint`: the thumbprint that IAM may want for an issuer."""

import asyncio
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from certs.state import format_time
from webhook.commands.address import address_problems, host_and_port
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import parse
from webhook.commands.issuer.fetch import Fetcher
from webhook.commands.issuer.flags import THUMBPRINT_FLAGS
from webhook.commands.issuer.sent_chain import sent_chain
from webhook.commands.issuer.trust import trust_of
from webhook.errors import SettingsError, WebhookError
from webhook.issuer.issuer_url import Address, address_of, discovery_url
from webhook.issuer.json_object import DocumentError, read_object
from webhook.issuer.thumbprint import WHEN_NEEDED, top_certificate

_ABOUT: Final = (
    "Shows the SHA-1 of the top certificate that the host of the issuer's jwks_uri sends, the thumbprint of an IAM "
    "OIDC provider, and when AWS needs it. URL is the issuer's. The servers must be verified, with --ca-file by a CA "
    "of your own. "
    "Exit code: 0 if the thumbprint is shown; 1 if a server cannot be reached or verified; 2 for wrong usage."
)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(THUMBPRINT_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("issuer thumbprint URL [flags]", _ABOUT, THUMBPRINT_FLAGS))
        return 0
    problems = parsed.problems
    if len(parsed.positionals) != 1:
        problems.append("set exactly one URL: that of the issuer")
    elif address_of(parsed.positionals[0]) is None:
        problems.append(f"{parsed.positionals[0][:300]!r} is not an https URL")
    problems += address_problems("--connect-to", parsed.values["connect_to"])
    if problems:
        raise SettingsError(problems)
    context = trust_of(parsed.values["ca_file"])
    (issuer,) = parsed.positionals
    fetcher = Fetcher.of_issuer(issuer, context, host_and_port(parsed.values["connect_to"]))
    address = asyncio.run(_host_of_keys(issuer, fetcher))
    chain = sent_chain(address.host, fetcher.target(address), context, environ)
    try:
        top = top_certificate(chain)
    except ValueError as error:
        raise WebhookError(f"{address.host}: a certificate cannot be read: {error}") from error
    if parsed.values["output"] == "json":
        document = {
            "thumbprint": top.thumbprint,
            "host": address.host,
            "port": address.port,
            "subject": top.subject,
            "ends": format_time(top.ends),
            "certificatesSent": len(chain),
            "whenNeeded": WHEN_NEEDED,
        }
        print(json.dumps(document, indent=2))
        return 0
    print(top.thumbprint)
    which = (
        "its leaf, the only certificate that it sends" if top.is_only_one else f"the last of {len(chain)} that it sends"
    )
    print(f"{address.host}:{address.port}: {top.subject} ({which}), ends {format_time(top.ends)}")
    print(WHEN_NEEDED)
    command = ["aws", "iam", "update-open-id-connect-provider-thumbprint", "--thumbprint-list", top.thumbprint]
    print(f"If AWS needs it: {shlex.join(command)} --open-id-connect-provider-arn ARN")
    return 0


async def _host_of_keys(issuer: str, fetcher: Fetcher) -> Address:
    """Returns the address in the `jwks_uri` of the issuer's discovery document. Raises WebhookError."""
    url = discovery_url(issuer)
    fetched = await fetcher.fetch(url)
    if fetched.problem is not None:
        raise WebhookError(f"{url}: {fetched.problem.reason}")
    if fetched.status != 200:
        raise WebhookError(f"{url}: HTTP {fetched.status}")
    try:
        jwks_uri = read_object(fetched.body).get("jwks_uri")
    except DocumentError as error:
        raise WebhookError(f"{url}: {error}") from error
    address = address_of(jwks_uri) if isinstance(jwks_uri, str) else None
    if address is None:
        raise WebhookError(f"{url}: its jwks_uri is not an https URL")
    return address
