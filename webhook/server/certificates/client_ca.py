"""The file with the CAs whose clients may call us; we read it again when it changes."""

import logging
from functools import partial
from pathlib import Path

from webhook.manifests.file_watch import FileWatch, stamp
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.pem_file import read_pem
from webhook.server.certificates.tls_settings import TlsError

logger = logging.getLogger(__name__)


class ClientCaFile:
    """Makes `serving` trust the CAs in the file; `failures` counts the changes that could not be used."""

    def __init__(self, path: Path, serving: ServingContext) -> None:
        self._path = path
        self._serving = serving
        self._watch = FileWatch(partial(stamp, path))
        self.failures = 0

    def check(self) -> None:
        """Loads the file if it has changed. If it is not usable, logs and counts that once, and keeps the old CAs."""
        if not self._watch.is_due():
            return
        try:
            self._serving.trust(read_pem(self._path))
        except TlsError as error:
            self.failures += 1
            logger.error("%s: %s; the old CAs for clients stay in use", self._path, error)  # noqa: TRY400 - the line says all
            return
        logger.info("%s: loaded the CAs for clients", self._path)
