"""Serves a certificate from files that somebody else maintains, and loads it again when they change."""

import logging
from pathlib import Path
from typing import Any, Final

from certs.issue import Pair
from webhook.manifests.file_watch import FileWatch, stamp
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.pem_file import read_pem
from webhook.server.certificates.tls_settings import TlsError

logger = logging.getLogger(__name__)


class CertificateFiles:
    """A certificate and its private key in files that someone else replaces (cert-manager, kubelet, an admin).

    The constructor serves them, or raises TlsError; check() then looks for changes. `reloads` counts the changes that
    were served, `failures` those that could not be used.
    """

    def __init__(self, cert_file: Path, key_file: Path, serving: ServingContext) -> None:
        self._cert_file = cert_file
        self._key_file = key_file
        self._watch = FileWatch(self._stamps)
        self.serving: Final = serving
        self.reloads = 0
        self.failures = 0
        self._take_up(self._read())

    def not_ready_reason(self) -> str:
        """Always "": the constructor has loaded the certificate."""
        return ""

    async def run(self) -> None:
        """Does nothing: `watch_files` calls check()."""

    def check(self) -> bool:
        """Loads the files if they have changed and settled, and returns whether it did.

        If they are not usable, it logs and counts that once, and keeps the old certificate. It reads the files again at
        their next change, so writing the two files one after the other works.
        """
        if not self._watch.is_due():
            return False
        try:
            taken_up = self._take_up(self._read())
        except TlsError as error:
            # If somebody replaced the files while we read them, the next check reads them again.
            if not self._watch.has_moved_on():
                self.failures += 1
                logger.error("%s; the old certificate stays in use, until %s", error, self._until)  # noqa: TRY400 - the line says all
            return False
        self.reloads += 1
        logger.info("%s", taken_up)
        return True

    @property
    def _until(self) -> str:
        not_after = self.serving.not_after
        return not_after.isoformat() if not_after is not None else ""

    def _read(self) -> Pair:
        return Pair(read_pem(self._cert_file), read_pem(self._key_file))

    def _take_up(self, pair: Pair) -> str:
        """Serves a new pair, and returns the line for the log. Raises TlsError."""
        self.serving.serve(pair, cert_name=str(self._cert_file), key_name=str(self._key_file))
        return f"serving the certificate in {self._cert_file} until {self._until}"

    def _stamps(self) -> tuple[Any, ...]:
        return stamp(self._cert_file), stamp(self._key_file)
