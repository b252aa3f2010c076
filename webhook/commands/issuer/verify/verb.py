"""`issuer verify`: checks a published issuer, and a token, as AWS STS and IAM do."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ClusterConfigError
from webhook.commands.address import address_problems, host_and_port
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.issuer.fetch import Fetcher
from webhook.commands.issuer.files import read_file
from webhook.commands.issuer.live_token import request_token
from webhook.commands.issuer.trust import trust_of
from webhook.commands.issuer.verify.flags import VERIFY_FLAGS
from webhook.commands.issuer.verify.output import as_json, failed_checks, print_text
from webhook.errors import SettingsError, WebhookError
from webhook.issuer.discovery_requirements import jwks_uri_of
from webhook.issuer.issuer_url import address_of, discovery_url
from webhook.issuer.verification import PresentedToken, Section, document_of, verified

_ABOUT: Final = (
    "Fetches the discovery document and the keys of an issuer as AWS STS does, without credentials and within 5 s, and "
    "checks what STS and IAM require of them: each requirement with a mark, and the fix if it is not met. With --token "
    "or --live, it also checks that STS would accept a token. It never shows a token. It does not ask AWS. "
    "Exit code: 0 if every requirement that was checked is met; 1 if one is not; 2 for wrong usage."
)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(VERIFY_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("issuer verify URL [flags]", _ABOUT, VERIFY_FLAGS))
        return 0
    problems = parsed.problems + _problems(parsed)
    if problems:
        raise SettingsError(problems)
    values = parsed.values
    (issuer,) = parsed.positionals
    fetcher = Fetcher.of_issuer(issuer, trust_of(values["ca_file"]), host_and_port(values["connect_to"]))
    given = _given_token(values["token"]) if values["token"] else None
    sections, now = asyncio.run(_verify(parsed, issuer, fetcher, given))
    if values["output"] == "json":
        print(as_json(issuer, values["audience"], sections, now), end="")
    else:
        print_text(issuer, sections, now, values["color"], environ)
    return 1 if failed_checks(sections) else 0


async def _verify(
    parsed: Parsed, issuer: str, fetcher: Fetcher, given: PresentedToken | None
) -> tuple[list[Section], datetime]:
    """Fetches what is needed and checks it; also returns the time of the check."""
    audiences = parsed.values["audience"]
    if parsed.values["live"]:
        given = await _live_token(parsed)
    discovery = await fetcher.fetch(discovery_url(issuer)) if address_of(issuer) is not None else None
    jwks_uri = jwks_uri_of(document_of(discovery))
    jwks = await fetcher.fetch(jwks_uri) if jwks_uri is not None else None
    now = datetime.now(UTC)
    return verified(issuer, discovery, jwks, given, audiences, now), now


def _given_token(name: str) -> PresentedToken:
    return PresentedToken(read_file(name).decode("utf-8", errors="replace"))


async def _live_token(parsed: Parsed) -> PresentedToken:
    namespace, _, name = parsed.values["service_account"].partition("/")
    access = AccessSettings(**parsed.of(("kubeconfig", "context", "kube_api")))
    try:
        return PresentedToken(await request_token(access, namespace, name, parsed.values["audience"][:1]))
    except WebhookError as error:
        if isinstance(error.__cause__, ClusterConfigError):
            raise
        # The issuer itself can be checked nevertheless.
        return PresentedToken(problem=str(error))


def _problems(parsed: Parsed) -> list[str]:
    values = parsed.values
    problems = []
    if len(parsed.positionals) != 1:
        problems.append("give one URL: issuer verify https://HOST/PATH")
    if values["token"] and values["live"]:
        problems.append("--token and --live: give only one of them")
    problems += address_problems("--connect-to", values["connect_to"])
    namespace, slash, name = values["service_account"].partition("/")
    if not (slash and is_dns_label(namespace) and is_dns_subdomain(name)):
        problems.append(f"--service-account: {values['service_account']!r} is not of the form NAMESPACE/NAME")
    if not values["audience"] or "" in values["audience"]:
        problems.append("--audience: must not be empty")
    return problems
