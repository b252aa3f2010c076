"""Reads a ServiceAccount, and what the webhook would give its pods."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from webhook.admission.annotations import ROLE_ARN
from webhook.admission.identity import ServiceAccount, Sources, known_account, own_annotations, resolve
from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.settings import Settings
from webhook.cluster.config_map import read_mapping
from webhook.cluster.namespaces import Namespace, read_namespace
from webhook.cluster.resource import Resource
from webhook.commands.doctor.gathering.installation import Found
from webhook.commands.doctor.gathering.reader import Reader, attempt
from webhook.diagnosis.doctor.facts import Account, Object
from webhook.diagnosis.doctor.read import Read
from webhook.errors import MappingError

_SECONDS = 10.0


async def read_account(
    reader: Reader, found: Found, namespace: str, name: str, pod_annotations: Mapping[str, str]
) -> Account:
    """Reads the ServiceAccount `namespace`/`name`; `pod_annotations` are those of the pod in question, if any."""
    settings = found.facts.settings
    read = await reader.object(Resource("serviceaccounts", namespace, name))
    mapping, problem = await _mapping(reader, found)
    account: Read[ServiceAccount] = Read(None, read.problem)
    if read.value is not None:
        annotations = (read.value.get("metadata") or {}).get("annotations") or {}
        account = Read(known_account(namespace, name, annotations, settings))
    if account.problem:
        return Account(namespace=namespace, name=name, account=account)
    key = (namespace, name)
    others = Sources(mapping).beside(account.value, key)
    identity, warnings = resolve(account.value, key, own_annotations(pod_annotations, settings), others, settings)
    return Account(
        namespace=namespace,
        name=name,
        account=account,
        identity=identity,
        warnings=warnings,
        mapping_problem=problem,
        annotated_at=annotated_at(read.value, settings) if read.value is not None else None,
    )


async def namespace_of(reader: Reader, name: str) -> Read[Namespace]:
    """Reads a namespace's labels."""
    read = await attempt(read_namespace(reader.client, name, seconds=_SECONDS))
    return Read(read.value, read.problem)


def annotated_at(account: Object, settings: Settings) -> datetime | None:
    """Returns when a manager last wrote the role's annotation, if `managedFields` tell."""
    key = f"f:{settings.own_prefix}{ROLE_ARN}"
    times = [
        str(entry.get("time", ""))
        for entry in (account.get("metadata") or {}).get("managedFields") or []
        if key in (((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {})
    ]
    try:
        return max(datetime.fromisoformat(time) for time in times) if times else None
    except ValueError:
        return None


async def _mapping(reader: Reader, found: Found) -> tuple[RoleMapping, str]:
    flags = found.flags
    if flags is None or not flags.values["watch_config_map"]:
        return NO_MAPPING, found.facts.unread_flags
    resource = Resource("configmaps", str(flags.values["namespace"]), str(flags.values["config_map_name"]))
    try:
        read = await attempt(read_mapping(reader.client, resource, seconds=_SECONDS))
    except (MappingError, msgspec.MsgspecError) as error:
        return NO_MAPPING, str(error)
    return (read.value[0], "") if read.value is not None else (NO_MAPPING, read.problem)
