"""Golden files: what was expected, beside what is. One file a case, in one folder."""

import contextlib
import difflib
import tempfile
from pathlib import Path

from webhook.errors import WebhookError


def compare(folder: Path, results: dict[str, str]) -> list[str]:
    """What differs between the files in `folder` and `results` (file name to content): a text for each, empty if none.

    A file with the ending of `results` that belongs to no result is one of them. Raises WebhookError.
    """
    if not folder.is_dir():
        raise WebhookError(f"--expect: {folder} is no folder; with --update it is made where nothing is there")
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
        f"{path}: belongs to nothing in the input any more: delete it\n" for path in _left_over(folder, results)
    ]


def update(folder: Path, results: dict[str, str]) -> list[Path]:
    """Writes `results` into `folder`, each file in one step; returns the files that belong to none of them.

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
            # Temporary files are private; golden ones are for the team.
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(file.name).unlink()
            raise


def _left_over(folder: Path, results: dict[str, str]) -> list[Path]:
    endings = {Path(name).suffix for name in results}
    return sorted(path for path in folder.iterdir() if path.suffix in endings and path.name not in results)
