"""Golden files: one file with the expected output for each case, all in one folder.

The file `index.txt` lists what `update` wrote. We remove only files that it lists: the folder may hold other files with
the same ending, even the input.
"""

import contextlib
import difflib
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from webhook.errors import WebhookError

_INDEX: Final = "index.txt"
# What `Case.slug` and the endings of outputs can make. We must not remove anything else, whatever the index says.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*\.(?:diff|json|yaml)")


def compare(folder: Path, results: dict[str, str]) -> list[str]:
    """Compares the files in `folder` with `results` (file name to content); returns a text for each difference.

    A file that `update` wrote and that belongs to no result any more is a difference too. Raises WebhookError.
    """
    if not folder.is_dir():
        raise WebhookError(f"--expect: {folder} is not a folder; if it does not exist, --update creates it")
    differences = []
    for name, content in results.items():
        try:
            expected = (folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            differences.append(f"{folder / name}: missing; --update writes it\n")
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise WebhookError(f"--expect: {folder / name}: {error}") from error
        if expected != content:
            before, after = expected.splitlines(keepends=True), content.splitlines(keepends=True)
            differences.append("".join(difflib.unified_diff(before, after, str(folder / name), "now")))
    return differences + [
        f"{path}: no object in the input belongs to it any more; --update removes it\n"
        for path in _left_over(folder, results)
    ]


def update(folder: Path, results: dict[str, str]) -> list[Path]:
    """Writes `results` into `folder`, each file atomically, and removes what belongs to no result any more.

    Returns the removed files. Raises WebhookError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in results.items():
            _write(folder / name, content)
        left_over = _left_over(folder, results)
        for path in left_over:
            path.unlink()
        others = (name for name in _listed(folder) if Path(name).suffix not in _endings(results))
        _write(folder / _INDEX, "".join(f"{name}\n" for name in sorted({*others, *results})))
    except OSError as error:
        raise WebhookError(f"--expect: {error.filename or folder}: {error.strerror}") from error
    return left_over


def _write(path: Path, content: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        try:
            file.write(content)
            file.close()
            # Temporary files are private, but the whole team must be able to read golden files.
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(file.name).unlink()
            raise


def _left_over(folder: Path, results: dict[str, str]) -> list[Path]:
    """Returns the files that `update` wrote, with the ending of `results`, and that belong to no result."""
    stale = (name for name in _listed(folder) if name not in results and Path(name).suffix in _endings(results))
    return [path for name in stale if (path := folder / name).is_file()]


def _listed(folder: Path) -> list[str]:
    try:
        lines = (folder / _INDEX).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise WebhookError(f"--expect: {folder / _INDEX}: {error}") from error
    return [line for line in lines if _NAME.fullmatch(line)]


def _endings(names: Iterable[str]) -> set[str]:
    return {Path(name).suffix for name in names}
