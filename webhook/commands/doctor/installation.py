"""The installation as a whole: gathers the facts of each step, and judges them."""

from collections.abc import Sequence
from typing import Final

from webhook import __version__
from webhook.admission.annotations import ROLE_ARN
from webhook.admission.identity import Identity
from webhook.cluster.client import KubernetesClient
from webhook.cluster.namespaces import Namespace
from webhook.cluster.resource import Resource
from webhook.commands.doctor.chain import Asked
from webhook.commands.doctor.gathering.account import namespace_of, read_account
from webhook.commands.doctor.gathering.certificate import read_certificate
from webhook.commands.doctor.gathering.dry_run import dry_run, plain_pod
from webhook.commands.doctor.gathering.installation import Found
from webhook.commands.doctor.gathering.installation import read as read_installation
from webhook.commands.doctor.gathering.published import read_published, token_of
from webhook.commands.doctor.gathering.reader import Reader
from webhook.commands.doctor.output import Diagnosis
from webhook.diagnosis.doctor.dry_run import dry_run_step
from webhook.diagnosis.doctor.facts import Object
from webhook.diagnosis.doctor.published import issuer_flags_step, token_step
from webhook.diagnosis.doctor.questions import DRY_RUN, TOKEN
from webhook.diagnosis.doctor.read import Read
from webhook.diagnosis.doctor.registration import (
    configuration_step,
    entries_step,
    namespaces_step,
    other_webhooks_step,
)
from webhook.diagnosis.doctor.serving import cache_step, certificate_step, endpoints_step, rights_step, version_step
from webhook.diagnosis.doctor.step import Step

_MAX_NAMESPACES: Final = 500


async def examine_installation(asked: Asked) -> Diagnosis:
    """Examines the installation. Raises ClusterError if the cluster cannot be reached."""
    async with KubernetesClient(asked.access) as client:
        reader = Reader(client)
        found = await read_installation(reader, asked.configuration, with_replicas=True)
        facts = found.facts
        if found.service is not None:
            replicas = facts.replicas.value or ()
            certificate = await read_certificate(
                found.service, asked.parsed, asked.environ, found.pods, replicas, asked.now
            )
            facts = found.with_certificate(certificate)
        accounts = await _accounts(reader, found)
        steps = [
            configuration_step(facts),
            entries_step(facts),
            namespaces_step(facts, await _namespaces(reader, accounts)),
            other_webhooks_step(facts),
            certificate_step(facts),
            endpoints_step(facts),
            version_step(facts, __version__),
            rights_step(facts),
            cache_step(facts),
            await _dry_run(reader, found, accounts),
            *await _issuer(asked, reader, found, accounts),
        ]
    notes = [facts.unread_flags] if facts.unread_flags else []
    return Diagnosis(f"The webhook {facts.name}", asked.now, steps, asked.symptom, notes)


async def _accounts(reader: Reader, found: Found) -> Read[list[Object]]:
    """Returns the ServiceAccounts that have a role by annotation, in the order of namespaces and names."""
    key = f"{found.facts.settings.own_prefix}{ROLE_ARN}"
    read = await reader.metadata(Resource("serviceaccounts"))
    if read.value is None:
        return read
    own = [one for one in read.value if ((one.get("metadata") or {}).get("annotations") or {}).get(key)]
    return Read(sorted(own, key=_key))


async def _namespaces(reader: Reader, accounts: Read[list[Object]]) -> Read[dict[str, Namespace]]:
    if accounts.value is None:
        return Read(None, accounts.problem)
    found = {}
    for name in sorted({_key(one)[0] for one in accounts.value})[:_MAX_NAMESPACES]:
        read = await namespace_of(reader, name)
        if read.problem:
            return Read(None, read.problem)
        if read.value is not None and not read.value.is_ending:
            found[name] = read.value
    return Read(found)


async def _dry_run(reader: Reader, found: Found, accounts: Read[list[Object]]) -> Step:
    """Tries the first ServiceAccount with a role whose namespace lets us create pods."""
    if accounts.value is None:
        return DRY_RUN.unknown(accounts.problem)
    if not accounts.value:
        return DRY_RUN.skipped("no ServiceAccount has a role to try: annotate one")
    step = None
    for namespace, name in _candidates(accounts.value):
        account = await read_account(reader, found, namespace, name, {})
        if not isinstance(account.identity, Identity):
            continue
        run = await dry_run(reader, found, namespace, f"a plain pod of {namespace}/{name}", plain_pod(name))
        step = dry_run_step(run, account.identity, found.facts)
        if step.status != "unknown":
            return step
    return step or DRY_RUN.skipped("no ServiceAccount has a role that can be used")


def _candidates(accounts: Sequence[Object]) -> list[tuple[str, str]]:
    """Returns one ServiceAccount of each of the first namespaces."""
    first: dict[str, tuple[str, str]] = {}
    for one in accounts:
        namespace, name = _key(one)
        first.setdefault(namespace, (namespace, name))
    return list(first.values())[:5]


async def _issuer(asked: Asked, reader: Reader, found: Found, accounts: Read[list[Object]]) -> list[Step]:
    keys = [_key(one) for one in accounts.value or ()]
    namespace, name = keys[0] if keys else ("default", "default")
    audience = found.facts.settings.token_audience
    token = await token_of(asked.access, namespace, name, audience)
    given = str(asked.parsed.values["issuer"])
    published = await read_published(reader, token, audience, given, asked.context, asked.instead)
    if token.value is None:
        return [TOKEN.unknown(token.problem), issuer_flags_step(published)]
    return [token_step(published, namespace, name, asked.now), issuer_flags_step(published)]


def _key(account: Object) -> tuple[str, str]:
    metadata = account.get("metadata") or {}
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))
