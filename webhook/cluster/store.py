"""The protocol through which the server gets ServiceAccounts and role mappings."""

from typing import Protocol

from webhook.admission.identity import ServiceAccount
from webhook.admission.mapping import RoleMapping


class ServiceAccountStore(Protocol):
    """The ServiceAccounts and role mappings on which decisions depend."""

    @property
    def mapping(self) -> RoleMapping:
        """The role mappings in force."""

    def get(self, namespace: str, name: str) -> ServiceAccount | None:
        """Returns the ServiceAccount if it is known, without waiting. None means unknown: it may still exist."""

    async def lookup(self, namespace: str, name: str) -> ServiceAccount | None:
        """Finds a ServiceAccount that `get` does not know; returns None if it does not exist.

        Raises LookupFailed if neither could be established.
        """
