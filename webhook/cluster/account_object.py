"""Converts the API server's ServiceAccount to admission's, which holds only the annotations that admission reads."""

from functools import cache
from typing import Any, Final

import msgspec

from webhook.admission.annotations import SERVICE_ACCOUNT_ANNOTATIONS
from webhook.admission.identity import ServiceAccount
from webhook.admission.settings import Settings
from webhook.cluster.collection import ObjectMeta, PartialObject

_FIELDS: Final = {key: key.replace("-", "_") for key in SERVICE_ACCOUNT_ANNOTATIONS}


class AccountMeta(ObjectMeta, gc=False):
    """A ServiceAccount's metadata, with annotations that are not decoded yet."""

    creationTimestamp: str | None = None
    annotations: msgspec.Raw = msgspec.Raw()


class AccountObject(PartialObject, gc=False):
    """A ServiceAccount of which we read only the metadata."""

    metadata: AccountMeta


def service_account(item: AccountObject, settings: Settings) -> ServiceAccount:
    """Returns the ServiceAccount as admission needs it. Raises msgspec's errors if its annotations are invalid."""
    meta = item.metadata
    if not meta.annotations:
        return ServiceAccount(meta.namespace, meta.name)
    known = _known(meta.annotations, settings.own_prefix)
    # As Raw, the values are not decoded: we need only the keys.
    keys = msgspec.json.decode(meta.annotations, type=dict[str, msgspec.Raw] | None) or {}
    return ServiceAccount(meta.namespace, meta.name, known, settings.annotation_keys.meant(keys))


def _known(annotations: msgspec.Raw, own_prefix: str) -> dict[str, str]:
    """Returns our annotations without their prefix. Other annotations cost no memory, however many there are."""
    found = _decoder(own_prefix).decode(annotations)
    values = ((key, getattr(found, field, None)) for key, field in _FIELDS.items())
    return {key: value for key, value in values if value is not None}


@cache
def _decoder(own_prefix: str) -> msgspec.json.Decoder[Any]:
    fields = [(field, str | None, None) for field in _FIELDS.values()]
    names = {field: own_prefix + key for key, field in _FIELDS.items()}
    return msgspec.json.Decoder(msgspec.defstruct("Annotations", fields, rename=names, gc=False) | None)
