"""A certificate that somebody else keeps in files: loaded at start, and served anew when the files change."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from certs.issue import Pair
from webhook.server.certificates import watched_file
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.tls_settings import TlsError

_CHECKED_EVERY: Final = 1.0

logger = logging.getLogger(__name__)


class CertificateFiles:
    """A certificate and its private key in files that someone else replaces (cert-manager, kubelet, an admin).

    Serves them at once, raising TlsError; afterwards check() looks for changes. `reloads` and `failures` count what
    came of those.
    """

    def __init__(self, cert_file: Path, key_file: Path, serving: ServingContext) -> None:
        self._cert_file = cert_file
        self._key_file = key_file
        self._seen = self._identity()
        self.serving: Final = serving
        self.reloads = 0
        self.failures = 0
        self._take_up(self._read())

    def not_ready_reason(self) -> str:
        """What keeps us from being ready: nothing."""
        return ""

    async def run(self) -> None:
        """Checks every second, until it is cancelled."""
        while True:
            await asyncio.sleep(_CHECKED_EVERY)
            try:
                await self._check_aside()
            except Exception:
                # Said once: it is tried again when the files change.
                self._seen = self._identity()
                logger.exception("a bug while looking for a changed certificate")

    async def _check_aside(self) -> None:
        # On a thread: a disk that hangs must not hang the answers.
        await asyncio.to_thread(self.check)

    def check(self) -> bool:
        """Serves the files if they have changed, and says whether it did; meant to be called every second or so.

        What cannot be used is logged and counted once, and the old certificate goes on. It is tried again when the
        files change again, which is how a pair that is being written, one file after the other, comes right.
        """
        identity = self._identity()
        if identity == self._seen:
            return False
        try:
            taken_up = self._take_up(self._read())
        except TlsError as error:
            if identity == self._identity():  # else it was replaced while it was read: no failure, look again
                self._seen = identity
                self.failures += 1
                logger.error("%s; the certificate until %s goes on", error, self._until)  # noqa: TRY400 - the line says all
            return False
        # As it was before it was read: what changed since is seen by the next check.
        self._seen = identity
        self.reloads += 1
        logger.info("%s", taken_up)
        return True

    @property
    def _until(self) -> str:
        not_after = self.serving.not_after
        return not_after.isoformat() if not_after is not None else ""

    def _read(self) -> Pair:
        return Pair(watched_file.read(self._cert_file), watched_file.read(self._key_file))

    def _take_up(self, pair: Pair) -> str:
        """Does with a new pair what is to be done, and says so in a line for the log. Raises TlsError."""
        self.serving.serve(pair, cert_name=str(self._cert_file), key_name=str(self._key_file))
        return f"serving the certificate in {self._cert_file} until {self._until}"

    def _identity(self) -> tuple[tuple[int, ...], ...]:
        return watched_file.identity(self._cert_file), watched_file.identity(self._key_file)
