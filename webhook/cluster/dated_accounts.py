"""Lists ServiceAccounts with the time when their role last changed, as far as the API server recorded it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from webhook.admission.annotations import ROLE_ARN
from webhook.admission.identity import ServiceAccount
from webhook.admission.settings import Settings
from webhook.cluster.account_object import AccountMeta, AccountObject, service_account
from webhook.cluster.collection import Collection
from webhook.cluster.pages import PageReader
from webhook.cluster.resource import METADATA, METADATA_LIST, Resource

if TYPE_CHECKING:
    from webhook.cluster.client import KubernetesClient

_PAGE: Final = 250
_MAX_ACCOUNT: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DatedAccount:
    """A ServiceAccount, and when its role annotation last changed at the latest (RFC 3339, UTC).

    The time is that of the writer who owns the annotation: a later change of the same writer to another field of the
    ServiceAccount sets it too. The API server records no writers of objects that were created without any field, as
    `kubectl create serviceaccount` does: then the time is that of the creation, and `is_recorded` is false.
    """

    account: ServiceAccount
    changed_at: str = ""
    is_recorded: bool = True


class _Meta(AccountMeta, gc=False):
    managedFields: msgspec.Raw = msgspec.Raw()


class _Object(AccountObject, gc=False):
    metadata: _Meta


async def list_accounts(
    client: "KubernetesClient", settings: Settings, namespace: str = ""
) -> dict[tuple[str, str], DatedAccount]:
    """Lists the ServiceAccounts with our annotations, by namespace and name; "" is every namespace.

    Raises ClusterError.
    """
    resource = Resource("serviceaccounts", namespace, is_granted_everywhere=not namespace)
    collection = Collection(resource, _Object, METADATA_LIST, METADATA, max_object=_MAX_ACCOUNT)
    found = {}
    async for page in PageReader(client, collection).pages(_PAGE):
        for item in page.items:
            account = service_account(item, settings)
            if account.annotations:
                meta = item.metadata
                written_at = _written_at(meta.managedFields, f"f:{settings.own_prefix}{ROLE_ARN}")
                changed_at = max(written_at, meta.creationTimestamp or "")
                found[meta.namespace, meta.name] = DatedAccount(account, changed_at, bool(written_at))
    return found


def _written_at(managed_fields: msgspec.Raw, key: str) -> str:
    """Returns the last time in `managedFields` of a writer that owns the annotation `key`; "" if there is none."""
    try:
        entries: list[dict[str, Any]] = msgspec.json.decode(managed_fields or b"[]", type=list[dict[str, Any]])
        owners = [entry for entry in entries if key in _annotations(entry)]
        return max((str(entry.get("time") or "") for entry in owners), default="")
    except (msgspec.MsgspecError, RecursionError, AttributeError, TypeError):
        return ""


def _annotations(entry: dict[str, Any]) -> dict[str, Any]:
    """Returns the annotations that a writer owns (https://kubernetes.io/docs/reference/using-api/server-side-apply/)."""
    owned: dict[str, Any] = entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:annotations", {})
    return owned
