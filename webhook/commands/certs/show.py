"""`certs show`: shows the served certificate, the Secret and the caBundle, and whether they match."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from certs.bundle import Service, our_entries
from certs.stores import StoredSecret
from webhook.cluster.access import AccessSettings
from webhook.cluster.client import KubernetesClient
from webhook.commands.certs.cluster import Denied, access_of, bundle_store, found, name_problems, secret_store
from webhook.commands.certs.facts import Facts, What, called_name, entries_of, secret_of
from webhook.commands.certs.findings import findings
from webhook.commands.certs.flags import SHOW_FLAGS
from webhook.commands.certs.handshake import NotServed, ask
from webhook.commands.certs.output import as_json, text
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.errors import SettingsError

_ABOUT: Final = (
    "Shows the certificate that the webhook serves, the certificates in its Secret and in the caBundle of its entries, "
    "when each expires, and whether they match. It never shows private keys. If it cannot read the Secret or reach the "
    "webhook, it says so and shows the rest. "
    "Exit code: 0 if there are no findings; 1 if there is one, or access to the cluster fails; 2 for wrong usage."
)
_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:.]+(?:%\w+)?\]|[^\[\]:/\s]+):([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True)
class _Read:
    """What the cluster holds. None means that the object does not exist, or that `unread` has the reason."""

    secret: StoredSecret | None
    configuration: Mapping[str, Any] | None
    unread: dict[What, str]


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
    if values["address"] and _split(values["address"]) is None:
        parsed.problems.append(f"--address: {values['address']!r} is not of the form HOST:PORT")
    if parsed.problems:
        raise SettingsError(parsed.problems)
    read = asyncio.run(_read(access_of(parsed), parsed))
    now = datetime.now(UTC)
    facts = _facts(parsed, read)
    found = findings(facts, now)
    print((as_json if values["output"] == "json" else text)(facts, found, now), end="")
    return 1 if found else 0


async def _read(access: AccessSettings, parsed: Parsed) -> _Read:
    """Reads from the cluster. Raises WebhookError, but records objects that RBAC denies in `unread`."""
    secret = configuration = None
    unread: dict[What, str] = {}
    async with KubernetesClient(access) as client:
        try:
            configuration = await found(bundle_store(client, parsed).read())
        except Denied as error:
            unread["configuration"] = str(error)
        if parsed.values["tls_secret"]:
            try:
                secret = await found(secret_store(client, parsed).read())
            except Denied as error:
                unread["secret"] = str(error)
    return _Read(secret, configuration, unread)


def _facts(parsed: Parsed, read: _Read) -> Facts:
    values = parsed.values
    service = Service(values["service_name"], values["namespace"])
    entries = entries_of(read.configuration, service) if read.configuration is not None else None
    facts = Facts(
        service=service,
        address=values["address"] or f"{service.name}.{service.namespace}.svc:{_service_port(read, service)}",
        is_address_given=bool(values["address"]),
        secret_name=values["tls_secret"],
        configuration_name=values["webhook_configuration"],
        secret=secret_of(read.secret) if read.secret is not None else None,
        entries=entries,
        unread=read.unread,
    )
    address = _split(facts.address)
    assert address is not None  # noqa: S101 - main() has checked --address, and names have no colon
    try:
        served = ask(*address, called_name(service), (entry.bundle for entry in entries or ()))
    except NotServed as error:
        return replace(facts, unread={**read.unread, "served": str(error)})
    return replace(facts, served=served)


def _service_port(read: _Read, service: Service) -> int:
    """Returns the port of the Service that the API server calls."""
    for entry in our_entries(read.configuration or {}, service):
        port = entry["clientConfig"]["service"].get("port")
        if isinstance(port, int) and 0 < port <= 65535:
            return port
    return 443


def _split(address: str) -> tuple[str, int] | None:
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) <= 65535:
        return None
    return match[1].strip("[]"), int(match[2])
