"""The published caBundle: looked at, and put right where somebody has changed it."""

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

    `seen`: what it has been seen to hold, and since when; `in_sync`: whether it was right when last looked at.
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
        """Whether somebody else keeps undoing what we write."""
        return self._contention.is_on(self._clock())

    async def look(self) -> Mapping[str, Any]:
        """The webhook configuration as it is now. Raises StoreError, also where no entry of it is ours."""
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
        """Gives our entries this bundle (PEM); returns when to look again. Raises StoreError, and Conflict.

        `configuration` is what `look` returned. Against somebody else who keeps changing it back it takes its time.
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
                "somebody else has changed the caBundle: put right, %d certificates%s", count, self._patience()
            )
        else:
            _log.info("published the caBundle: %d certificates", count)
        self._right = bundle
        return later

    def _patience(self) -> str:
        """What to say of how long the next repair waits."""
        if not self.is_contended or self._contention.last is None:
            return ""
        pause = self._contention.may_write_at(self._contention.wanted, self._contention.last) - self._contention.last
        return f"; it keeps happening, so the next time waits for {pause.total_seconds():g} s"

    def _observe(self, configuration: Mapping[str, Any]) -> None:
        self.seen = self.seen.observed(published(configuration, self._service), self._clock())
