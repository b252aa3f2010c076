"""Writes certificates as files, with the names that Kubernetes uses in a Secret of type kubernetes.io/tls."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from certs.errors import CannotWrite
from certs.issue import Names, Pair, issue_ca, issue_leaf

_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class PairFiles:
    """The paths of a CA certificate, a leaf and the leaf's private key."""

    ca: Path
    certificate: Path
    private_key: Path


def write_pair(directory: Path, ca_certificate: bytes, pair: Pair, *, ca_private_key: bytes | None = None) -> PairFiles:
    """Writes `ca.crt`, `tls.crt` and `tls.key` (mode 0600) into a directory; creates it (mode 0700) if it is missing.

    If `ca_private_key` is given, also writes `ca.key` (mode 0600). Replaces the files one by one, each atomically: a
    reader sees no partial file, but may see the new key beside the old certificate for a moment. Raises CannotWrite.
    """
    files = PairFiles(directory / "ca.crt", directory / "tls.crt", directory / "tls.key")
    with _explaining(directory):
        if not directory.is_dir():
            directory.mkdir(mode=0o700)
            directory.chmod(0o700)  # a strict umask could deny us access to our own directory
    if ca_private_key is not None:
        _replace(directory / "ca.key", ca_private_key, mode=0o600)
    _replace(files.ca, ca_certificate, mode=0o644)
    _replace(files.private_key, pair.private_key, mode=0o600)
    _replace(files.certificate, pair.certificate, mode=0o644)
    return files


def ephemeral(directory: Path, names: Iterable[str], now: datetime) -> PairFiles:
    """Issues a CA and a leaf for `names` and for localhost, 127.0.0.1 and ::1, and writes them.

    The CA signs this one leaf only; its private key stays in memory and is discarded on return. `now` is an aware
    datetime. Raises InvalidName or CannotWrite.
    """
    leaf_names = Names.parse([*names, *_LOCAL])
    ca = issue_ca(now, common_name="pod-identity-webhook ephemeral CA")
    return write_pair(directory, ca.certificate, issue_leaf(ca, leaf_names, now))


def _replace(target: Path, content: bytes, *, mode: int) -> None:
    with _explaining(target):
        # mkstemp opens with 0600 and O_EXCL, so others can never read a key, whatever the umask.
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reasons = {
            errno.EEXIST: "it is not a directory",
            errno.ENOTDIR: "a part of the path is not a directory",
            errno.ENOENT: "its parent directory does not exist",
            errno.EACCES: "permission denied",
            errno.EPERM: "permission denied",
            errno.EROFS: "the file system is read-only",
        }
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        raise CannotWrite(f"cannot write {path}: {reason}") from error
