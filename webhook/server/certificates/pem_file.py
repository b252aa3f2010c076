"""Reads a file of certificates or keys."""

from pathlib import Path
from typing import Final

from webhook.manifests.file_watch import read_file
from webhook.server.certificates.tls_settings import TlsError

# Room for more than a thousand certificates.
_MAX_BYTES: Final = 4 * 2**20


def read_pem(path: Path) -> bytes:
    """Returns the file's content. Raises TlsError, which names the file."""
    try:
        return read_file(path, _MAX_BYTES)
    except OSError as error:
        raise TlsError(f"cannot read {path}: {error.strerror}") from error
