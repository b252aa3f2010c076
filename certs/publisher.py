"""Reads the published caBundle, and corrects it if somebody has changed it."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from certs.bundle import Service, bundle_patch, our_entries, published
from certs.bundle_history import BundleHistory
from certs.errors import Missing, StoreError
from certs.pem import read_certificates
from certs.rounds import LONGEST_SLEEP
from certs.stores import BundleStore
from certs.write_contention import WriteContention

_log = logging.getLogger(__name__)


class Publisher:
    """The caBundle of our entries, as one replica sees and writes it.

    `seen`: the CAs that it holds, and since when. `in_sync`: whether it was correct when this replica last read it.
    """

    def __init__(self, bundles: BundleStore, service: Service, clock: Callable[[], datetime]) -> None:
        self._bundles: Final = bundles
        self._service: Final = service
        self._clock: Final = clock
        self._contention = WriteContention()
        self._right = b""
        self.seen = BundleHistory()
        self.in_sync = False

    @property
    def is_contended(self) -> bool:
        """Whether somebody else keeps reverting our writes."""
        return self._contention.is_on(self._clock())

    async def look(self) -> Mapping[str, Any]:
        """Reads the webhook configuration. Raises StoreError if that fails, or if none of its entries is ours."""
        try:
            configuration = await self._bundles.read()
        except Missing:
            self.in_sync = False
            raise
        self._observe(configuration)
        if not any(our_entries(configuration, self._service)):
            self.in_sync = False
            service = f"{self._service.namespace}/{self._service.name}"
            raise StoreError(f"the webhook configuration has no entry that calls Service {service}")
        return configuration

    async def publish(self, configuration: Mapping[str, Any], bundle: bytes) -> datetime:
        """Gives our entries this bundle (PEM) and returns when to look again. Raises StoreError and Conflict.

        `configuration` is the result of `look`. While somebody else keeps reverting our writes, each repair waits
        longer.
        """
        now = self._clock()
        later = now + LONGEST_SLEEP
        patch = bundle_patch(configuration, self._service, bundle)
        self.in_sync = patch is None
        if patch is None:
            self._right = bundle
            return later
        wait_until = self._contention.may_write_at(bundle, now)
        if wait_until > now:
            return wait_until
        configuration = await self._bundles.patch(patch)
        self._contention = self._contention.written(bundle, now)
        self._observe(configuration)
        self.in_sync = True
        count = len(read_certificates(bundle)[0])
        if bundle == self._right:
            _log.warning(
                "somebody else changed the caBundle; we restored it: %d certificates%s", count, self._patience()
            )
        else:
            _log.info("published the caBundle: %d certificates", count)
        self._right = bundle
        return later

    def _patience(self) -> str:
        """Returns the end of the log line: how long the next repair waits, or nothing."""
        if not self.is_contended or self._contention.last is None:
            return ""
        pause = self._contention.may_write_at(self._contention.wanted, self._contention.last) - self._contention.last
        return f"; this keeps happening, so the next repair waits {pause.total_seconds():g} s"

    def _observe(self, configuration: Mapping[str, Any]) -> None:
        self.seen = self.seen.observed(published(configuration, self._service), self._clock())
