"""Asks the API server whether the webhook has the rights that its flags make it need."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from webhook.cluster.decoding import decoding
from webhook.cluster.resource import Resource
from webhook.commands.doctor.gathering.reader import Reader, attempt
from webhook.commands.flags.parsing import Parsed
from webhook.commands.flags.to_settings import is_self_managed
from webhook.diagnosis.doctor.facts import Right
from webhook.diagnosis.doctor.read import Read

_REVIEWS: Final = Resource("subjectaccessreviews", group_version="authorization.k8s.io/v1")
_IN_CLUSTER: Final = {"KUBERNETES_SERVICE_HOST": "set in every pod"}
_KEPT: Final = ("get", "list", "watch", "patch")


class _Status(msgspec.Struct):
    allowed: bool


class _Review(msgspec.Struct):
    status: _Status


async def read_rights(reader: Reader, holder: str, namespace: str, flags: Parsed) -> Read[Sequence[Right]]:
    """Returns the rights that the user `holder` needs for the flags of `serve`, and which it has."""
    needed = list(needed_rights(namespace, flags))
    reads = await asyncio.gather(*(attempt(_is_granted(reader, holder, verb, thing)) for verb, thing in needed))
    problem = next((read.problem for read in reads if read.value is None), "")
    if problem:
        return Read(None, problem)
    return Read([Right(thing.rule(verb), bool(read.value)) for (verb, thing), read in zip(needed, reads, strict=True)])


def needed_rights(namespace: str, flags: Parsed) -> Iterator[tuple[str, Resource]]:
    """Yields each verb and resource that `serve` needs with these flags."""
    values = flags.values
    for verb in ("get", "list", "watch"):
        yield verb, Resource("serviceaccounts", is_granted_everywhere=True)
    if values["watch_config_map"]:
        for verb in ("list", "watch"):
            yield verb, Resource("configmaps", str(values["namespace"]), str(values["config_map_name"]))
    if not is_self_managed(flags, _IN_CLUSTER):
        return
    for verb in _KEPT:
        yield verb, Resource("secrets", namespace, str(values["tls_secret"]))
    yield "create", Resource("secrets", namespace)
    for verb in _KEPT:
        yield (
            verb,
            Resource(
                "mutatingwebhookconfigurations",
                name=str(values["webhook_configuration"]),
                group_version="admissionregistration.k8s.io/v1",
            ),
        )


async def _is_granted(reader: Reader, holder: str, verb: str, thing: Resource) -> bool:
    group = thing.group_version.rpartition("/")[0]
    attributes = {"verb": verb, "group": group, "resource": thing.plural, "name": thing.name}
    if thing.namespace:
        attributes["namespace"] = thing.namespace
    _, _, _, account = holder.split(":")
    namespace = holder.split(":")[2]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{namespace}:{account}",
            "groups": groups,
            "resourceAttributes": attributes,
        },
    }
    answer = await reader.client.write("create", _REVIEWS, body)
    with decoding(_REVIEWS):
        return msgspec.json.decode(answer, type=_Review).status.allowed
