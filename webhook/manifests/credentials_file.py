"""The file of --watch-container-credentials-config: read again when it changes, the last good state kept."""

import logging
from pathlib import Path

from webhook.admission.container_credentials import ContainerCredentials, parse_container_credentials
from webhook.errors import CredentialsConfigError

_MAX_BYTES = 16 * 1024 * 1024
# So many are told of in the log at a time.
_MAX_PROBLEMS = 10

logger = logging.getLogger(__name__)


class CredentialsFile:
    """The identities in a file. An absent or empty one means none, for that is how they are revoked.

    `failures` counts the changes that could not be used. `check` may run in another thread than everything else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tried = self._found = self._read()
        self.identities: ContainerCredentials = frozenset()
        self.failures = 0
        self._take(self._found)

    def check(self) -> None:
        """Reads the file and takes what has changed; meant to be called every second or so.

        A change is taken up once two calls in a row find the same: whoever writes the file may have emptied it first,
        and that alone would revoke everything.
        """
        found = self._read()
        is_settled = found == self._found
        self._found = found
        if is_settled and found != self._tried:
            self._tried = found
            self._take(found)

    def _take(self, found: bytes | str) -> None:
        if isinstance(found, str):
            self._fail(found)
            return
        try:
            self.identities, problems = parse_container_credentials(found)
        except CredentialsConfigError as error:
            self._fail(str(error))
            return
        for problem in problems[:_MAX_PROBLEMS]:
            logger.warning("%s: %s", self._path, problem)
        if len(problems) > _MAX_PROBLEMS:
            logger.warning("%s: %d more of this kind", self._path, len(problems) - _MAX_PROBLEMS)
        logger.info("%s: %d identities with container credentials", self._path, len(self.identities))

    def _fail(self, reason: str) -> None:
        self.failures += 1
        logger.error("%s: %s; the last good state stays: %d identities", self._path, reason, len(self.identities))

    def _read(self) -> bytes | str:
        """The content, empty where there is no file; or in words why nothing can be said of it."""
        try:
            if self._path.is_fifo():
                # Reading it could wait for ever.
                return "is a pipe"
            with self._path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return b""
        except OSError as error:
            return error.strerror or str(error)
        return content if len(content) <= _MAX_BYTES else f"larger than {_MAX_BYTES} bytes"
