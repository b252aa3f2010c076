"""The CAs whose clients may call us, in a file: read at start, and again when it changes."""

import logging
from functools import partial
from pathlib import Path

from webhook.manifests.file_watch import FileWatch, stamp
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.pem_file import read_pem
from webhook.server.certificates.tls_settings import TlsError

logger = logging.getLogger(__name__)


class ClientCaFile:
    """Keeps the CAs that `serving` trusts equal to the file's; `failures` counts changes that could not be used."""

    def __init__(self, path: Path, serving: ServingContext) -> None:
        self._path = path
        self._serving = serving
        self._watch = FileWatch(partial(stamp, path))
        self.failures = 0

    def check(self) -> None:
        """Takes up a change of the file. If it cannot be used, that is logged and counted once, and the CAs stay."""
        if not self._watch.is_due():
            return
        try:
            self._serving.trust(read_pem(self._path))
        except TlsError as error:
            self.failures += 1
            logger.error("%s: %s; the CAs for clients stay as they were", self._path, error)  # noqa: TRY400 - the line says all
            return
        logger.info("%s: took up the CAs for clients", self._path)
