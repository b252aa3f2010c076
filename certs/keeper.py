"""The base of both kinds of replica, those that issue certificates and those that get external ones.

Both read the webhook configuration, publish the caBundle and count failures and writes.
"""

from abc import ABC
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from certs.bundle import Service
from certs.errors import StoreError
from certs.publisher import Publisher
from certs.rounds import Rounds, Timing
from certs.stores import BundleStore, SecretStore
from certs.write_contention import WriteContention

if TYPE_CHECKING:
    from certs.repair import Change


class Keeper(Rounds, ABC):
    """Maintains the Secret and the caBundle in rounds. `renewals` counts this replica's changes to the Secret."""

    def __init__(self, secrets: SecretStore, bundles: BundleStore, service: Service, timing: Timing) -> None:
        super().__init__(timing)
        self._secrets = secrets
        self._publisher = Publisher(bundles, service, timing.clock)
        self._secret_contention = WriteContention()
        self.renewals: Counter[Change] = Counter()

    @property
    def in_sync(self) -> bool:
        """Whether the caBundle was correct when this replica last read it."""
        return self._publisher.in_sync

    @property
    def is_contended(self) -> bool:
        """Whether somebody else keeps reverting our writes to the Secret or the caBundle."""
        return self._secret_contention.is_on(self._clock()) or self._publisher.is_contended

    async def _look(self) -> Mapping[str, Any] | None:
        """Returns the webhook configuration. On failure, counts the failure and returns None."""
        try:
            return await self._publisher.look()
        except StoreError as error:
            self._failed("bundle", error)
            return None
