"""What admission asks the cluster: which ServiceAccount is this, and which roles are mapped."""

from typing import Protocol

from webhook.admission.identity import ServiceAccount
from webhook.admission.mapping import RoleMapping


class ServiceAccountStore(Protocol):
    """The ServiceAccounts and role mappings that decisions are made by."""

    @property
    def mapping(self) -> RoleMapping:
        """The role mappings that hold now."""

    def get(self, namespace: str, name: str) -> ServiceAccount | None:
        """The ServiceAccount as far as known now, at once; None where it may still be there."""

    async def lookup(self, namespace: str, name: str) -> ServiceAccount | None:
        """The truth about a ServiceAccount that `get` does not know; None where there is none.

        Raises LookupFailed where that could not be found out.
        """
