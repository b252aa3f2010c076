"""The file of --watch-container-credentials-config; we read it again when it changes, and keep the last good state."""

import logging
from functools import partial
from pathlib import Path

from webhook.admission.container_credentials import ContainerCredentials, parse_container_credentials
from webhook.errors import CredentialsConfigError
from webhook.manifests.file_watch import FileWatch, read_file, stamp

_MAX_BYTES = 16 * 1024 * 1024
# The log shows at most this many problems of one reading.
_MAX_PROBLEMS = 10

logger = logging.getLogger(__name__)


class CredentialsFile:
    """The identities in a file. A missing or empty file means none, so that an admin can revoke all of them.

    `failures` counts the changes that could not be used. `check` may run in another thread than other code.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._watch = FileWatch(partial(stamp, path))
        self.identities: ContainerCredentials = frozenset()
        self.failures = 0
        self._read()

    def check(self) -> None:
        """Loads the file if it has changed and settled."""
        if self._watch.is_due():
            self._read()

    def _read(self) -> None:
        try:
            self._take(read_file(self._path, _MAX_BYTES))
        except FileNotFoundError:
            self._take(b"")
        except OSError as error:
            self._fail(error.strerror or str(error))

    def _take(self, content: bytes) -> None:
        try:
            self.identities, problems = parse_container_credentials(content)
        except CredentialsConfigError as error:
            self._fail(str(error))
            return
        for problem in problems[:_MAX_PROBLEMS]:
            logger.warning("%s: %s", self._path, problem)
        if len(problems) > _MAX_PROBLEMS:
            logger.warning("%s: %d more problems like these", self._path, len(problems) - _MAX_PROBLEMS)
        logger.info("%s: %d identities with container credentials", self._path, len(self.identities))

    def _fail(self, reason: str) -> None:
        self.failures += 1
        logger.error("%s: %s; keeping the last good state: %d identities", self._path, reason, len(self.identities))
