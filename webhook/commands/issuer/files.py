"""The files that `issuer` reads, within limits, and writes, whole or not at all."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

from webhook.errors import UnusableInput, WebhookError

STANDARD_INPUT: Final = "-"
MAX_DOCUMENT: Final = 1024 * 1024
"""Bytes of a JWKS or discovery document: thousands of keys. STS takes far fewer."""


def read_file(name: str) -> bytes:
    """Returns the content of a file, a pipe, or with `-` of standard input. Raises UnusableInput."""
    try:
        with contextlib.ExitStack() as stack:
            stream: IO[bytes] = (
                sys.stdin.buffer if name == STANDARD_INPUT else stack.enter_context(Path(name).open("rb"))
            )
            content = stream.read(MAX_DOCUMENT + 1)
    except (OSError, ValueError) as error:
        # ValueError: a name with a null byte.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnusableInput(f"{place(name)}: {reason}") from error
    if len(content) > MAX_DOCUMENT:
        raise UnusableInput(f"{place(name)}: it is larger than {MAX_DOCUMENT // 1024} KiB")
    return content


def place(name: str) -> str:
    """Returns how an error names a file."""
    return "standard input" if name == STANDARD_INPUT else name


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Writes all files, each atomically, and creates their folders.

    It writes all contents beside their targets before it replaces the first, so that a full disk or a missing right
    changes nothing. Raises WebhookError, which names the files that were replaced before the failure, if any.
    """
    temporary: dict[Path, Path] = {}
    done: list[Path] = []
    target = Path()
    try:
        for target, content in contents.items():
            if target.is_dir():
                raise IsADirectoryError(None, "it is a folder")
            temporary[target] = _written_beside(target, content)
        for target, beside in temporary.items():
            beside.replace(target)
            done.append(target)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        state = f"; already written: {', '.join(map(str, done))}" if done else "; no file was changed"
        raise WebhookError(f"cannot write {target}: {reason}{state}") from error
    finally:
        for beside in temporary.values():
            beside.unlink(missing_ok=True)


def _written_beside(target: Path, content: bytes) -> Path:
    """Writes `content` to a new file in the folder of `target`, readable for all: the documents are public."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
