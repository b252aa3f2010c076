"""The CAs whose clients may call us, in a file: read at start, and again when it changes."""

import logging
from pathlib import Path

from webhook.server.certificates import watched_file
from webhook.server.certificates.contexts import ServingContext
from webhook.server.certificates.tls_settings import TlsError

logger = logging.getLogger(__name__)


class ClientCaFile:
    """Keeps what `serving` trusts as the file says; `failures` counts changes that could not be used."""

    def __init__(self, path: Path, serving: ServingContext) -> None:
        self._path = path
        self._serving = serving
        self._seen = watched_file.identity(path)
        self.failures = 0

    def check(self) -> None:
        """Takes up a change; what cannot be used is logged and counted once, and those trusted before still are."""
        identity = watched_file.identity(self._path)
        if identity == self._seen:
            return
        self._seen = identity
        try:
            self._serving.trust(watched_file.read(self._path))
        except TlsError as error:
            self.failures += 1
            logger.error("%s: %s; the CAs for clients stay as they were", self._path, error)  # noqa: TRY400 - the line says all
            return
        logger.info("%s: took up the CAs for clients", self._path)
