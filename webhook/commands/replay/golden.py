"""Golden files: one file with the expected output for each case, all in one folder."""

import contextlib
import difflib
import tempfile
from pathlib import Path

from webhook.errors import WebhookError


def compare(folder: Path, results: dict[str, str]) -> list[str]:
    """Compares the files in `folder` with `results` (file name to content); returns a text for each difference.

    A file that has the ending of `results` and belongs to no result is a difference too. Raises WebhookError.
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
        f"{path}: no object in the input belongs to it any more: delete it\n" for path in _left_over(folder, results)
    ]


def update(folder: Path, results: dict[str, str]) -> list[Path]:
    """Writes `results` into `folder`, each file atomically; returns the files that belong to no result.

    Raises WebhookError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in results.items():
            _write(folder / name, content)
    except OSError as error:
        raise WebhookError(f"--expect: {error.filename or folder}: {error.strerror}") from error
    return _left_over(folder, results)


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
    endings = {Path(name).suffix for name in results}
    return sorted(path for path in folder.iterdir() if path.suffix in endings and path.name not in results)
