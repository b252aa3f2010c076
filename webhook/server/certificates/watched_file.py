"""Files that somebody else replaces while we serve: reading them whole, and seeing that they have changed."""

from pathlib import Path

from webhook.server.certificates.tls_settings import TlsError


def read(path: Path) -> bytes:
    """The content. Raises TlsError, naming the file; a pipe is refused, as reading it could wait for ever."""
    try:
        if path.is_fifo():
            raise TlsError(f"cannot read {path}: is a pipe")
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"cannot read {path}: {error.strerror}") from error


def identity(path: Path) -> tuple[int, ...]:
    """Differs when the file does; symlinks are followed, since kubelet swaps the directory that a mount points to."""
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
