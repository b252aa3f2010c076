"""Folders with manifests among other files: a chart's values, a package.json, a Helm template are no error."""

import os
from pathlib import Path

from webhook.errors import ManifestError, NoManifest
from webhook.manifests.documents import Document, manifest_files, read_documents, read_file, read_path


def read_input(path: Path, *, recursive: bool = False) -> tuple[list[Document], list[tuple[str, str]]]:
    """Returns the objects in a file or folder; and each file of the folder that is no manifest, with the reason.

    `recursive` includes the folders in the folder, except hidden ones and links. Raises ManifestError for a manifest
    that cannot be read, and for a `path` that is a file but no manifest.
    """
    if not path.is_dir():
        return read_path(path), []
    documents: list[Document] = []
    others: list[tuple[str, str]] = []
    for folder in _folders(path) if recursive else [path]:
        for file in manifest_files(folder):
            try:
                found = read_documents(read_file(file), str(file))
            except NoManifest as error:
                others.append((str(file), str(error).removeprefix(str(file)).lstrip(",: ")))
                continue
            if found and not any(_has_kind(document) for document in found):
                others.append((str(file), "no object in it has a kind"))
            else:
                documents += found
    return documents, others


def has_folders(path: Path) -> bool:
    """Whether the folder `path` has folders that `recursive` would include."""
    return len(_folders(path)) > 1


def _has_kind(document: Document) -> bool:
    # A review may lack its kind.
    return "kind" in document.object or isinstance(document.object.get("request"), dict)


def _folders(path: Path) -> list[Path]:
    found: list[Path] = []
    for name, folders, _ in os.walk(path, onerror=_fail):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        found.append(Path(name))
    return found


def _fail(error: OSError) -> None:
    raise ManifestError(f"{error.filename}: {error.strerror or error}") from error
