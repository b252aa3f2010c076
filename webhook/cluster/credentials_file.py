"""The file of --watch-container-credentials-config: read again when it changes, the last good state kept."""

import logging
from pathlib import Path

from webhook.admission.container_credentials import ContainerCredentials, parse_container_credentials
from webhook.errors import CredentialsConfigError

_MAX_BYTES = 16 * 1024 * 1024

logger = logging.getLogger(__name__)


class CredentialsFile:
    """The identities in a file. An absent or empty one means none, for that is how they are revoked.

    `failures` counts the changes that could not be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: bytes | None = None
        self.identities: ContainerCredentials = frozenset()
        self.failures = 0
        self.check()

    def check(self) -> None:
        """Reads the file and takes what has changed; meant to be called every second or so."""
        content = self._read()
        if content is None or content == self._seen:
            return
        self._seen = content
        try:
            self.identities = parse_container_credentials(content)
        except CredentialsConfigError as error:
            self._failed(str(error))
        else:
            logger.info("%s: %d identities with container credentials", self._path, len(self.identities))

    def _read(self) -> bytes | None:
        """The content, empty where there is no file; None where nothing can be said of it."""
        try:
            with self._path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return b""
        except OSError as error:
            if self._seen != b"unreadable":
                self._seen = b"unreadable"
                self._failed(error.strerror or str(error))
            return None
        return content[: _MAX_BYTES + 1]

    def _failed(self, reason: str) -> None:
        self.failures += 1
        logger.error("%s: %s; the last good state stays: %d identities", self._path, reason, len(self.identities))
