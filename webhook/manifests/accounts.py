"""A ServiceAccountStore for a webhook without a cluster: reads ServiceAccounts and role mappings from manifests."""

import logging
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from webhook.admission.annotations import ROLE_ARN
from webhook.admission.identity import ServiceAccount, known_account
from webhook.admission.mapping import NO_MAPPING, RoleMapping, parse_mapping
from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.admission.settings import Settings
from webhook.errors import ManifestError, MappingError
from webhook.manifests.documents import Document, manifest_files, read_documents, read_file, type_name
from webhook.manifests.file_watch import FileWatch, stamp

logger: Final = logging.getLogger(__name__)

DEFAULT_NAMESPACE: Final = "default"

_Stamp: TypeAlias = tuple[Any, ...]


def service_account(document: Document, settings: Settings, namespace: str = DEFAULT_NAMESPACE) -> ServiceAccount:
    """Converts `document` to a ServiceAccount, in `namespace` if it names none.

    Raises ManifestError if a member has the wrong type or an invalid name.
    """
    own_namespace, name = object_key(document, namespace)
    annotations = document.member("metadata.annotations", dict) or {}
    for key, value in annotations.items():
        if not isinstance(value, str):
            problem = f"expected a string, got {type_name(value)}"
            hint = "" if isinstance(value, dict | list | None) else " (put it in quotes)"
            raise document.error(f"metadata.annotations[{key}]: {problem}{hint}")
    return known_account(own_namespace, name, annotations, settings)


def role_mapping(document: Document) -> tuple[RoleMapping, list[str]]:
    """Returns the mapping in the ConfigMap `document`, and a line for each skipped entry.

    Raises ManifestError if the whole mapping is invalid.
    """
    try:
        mapping, problems = parse_mapping(document.member("data.config", str) or "")
    except MappingError as error:
        raise document.error(f"data.config: {error}") from error
    return mapping, [f"{document.place}: data.config: {problem}" for problem in problems]


def object_key(document: Document, namespace: str) -> tuple[str, str]:
    """Returns an object's namespace (`namespace` if it names none) and name. Raises ManifestError for invalid ones."""
    own_namespace = document.member("metadata.namespace", str) or namespace
    name = document.member("metadata.name", str) or ""
    if not is_dns_label(own_namespace):
        raise document.error(f"metadata.namespace: {own_namespace[:80]!r} is not a DNS-1123 label")
    if not name:
        raise document.error("metadata.name: missing")
    if not is_dns_subdomain(name):
        raise document.error(f"metadata.name: {name[:80]!r} is not a DNS-1123 subdomain")
    return own_namespace, name


@dataclass(slots=True)
class _Contents:
    """The result of reading the manifests once. `mapping_error` is why their mapping could not be read, or ""."""

    accounts: dict[tuple[str, str], ServiceAccount] = field(default_factory=dict)
    mapping: RoleMapping = NO_MAPPING
    mapping_problems: list[str] = field(default_factory=list)
    mapping_error: str = ""


class ManifestAccounts:
    """A ServiceAccountStore that reads the manifests at `path`, a file or a folder.

    `config_map` is the namespace and name of the ConfigMap with role mappings; None means no mappings. The constructor
    raises ManifestError if it cannot read the manifests. `check` may run in another thread than the other methods.

    `last_error` is why the current manifests are not in use; "" if they are. `reloads` counts the changes that were
    loaded, `failures` those that were not, or only in part.
    """

    def __init__(self, path: Path, settings: Settings, config_map: tuple[str, str] | None = None) -> None:
        self.last_error = ""
        self.reloads = 0
        self.failures = 0
        self._path = path
        self._settings = settings
        self._config_map = config_map
        self._watch = FileWatch(partial(_stamp, path))
        self._is_retry = False
        self._contents = self._read()
        if self._contents.mapping_error:
            raise ManifestError(self._contents.mapping_error)
        self._log_contents("")

    @property
    def mapping(self) -> RoleMapping:
        """The current role mappings."""
        return self._contents.mapping

    @property
    def mapping_problems(self) -> list[str]:
        """A line for each skipped entry of the mapping, with its place."""
        return self._contents.mapping_problems

    @property
    def account_count(self) -> int:
        """The number of ServiceAccounts."""
        return len(self._contents.accounts)

    def accounts(self) -> list[ServiceAccount]:
        """Returns all ServiceAccounts."""
        return list(self._contents.accounts.values())

    def get(self, namespace: str, name: str) -> ServiceAccount | None:
        """Returns the ServiceAccount, or None if the manifests do not have it."""
        return self._contents.accounts.get((namespace, name))

    async def lookup(self, namespace: str, name: str) -> ServiceAccount | None:
        """Returns the same as `get`: there is no other source than the manifests."""
        return self.get(namespace, name)

    def check(self) -> bool:
        """Loads the manifests if they have changed and settled, and returns whether it did.

        If it cannot read them, it logs one warning and keeps the old state.
        """
        if not self._watch.is_due():
            return False
        is_retry, self._is_retry = self._is_retry, False
        try:
            contents = self._read()
        except ManifestError as error:
            if isinstance(error.__cause__, OSError):
                # Try again: an error of the operating system may go away without a change of the file.
                self._watch.retry()
                self._is_retry = True
            if not is_retry or str(error) != self.last_error:
                self._fail(str(error))
            return False
        self._take(contents)
        return True

    def _take(self, contents: _Contents) -> None:
        if contents.mapping_error:
            contents.mapping = self._contents.mapping
            contents.mapping_problems = self._contents.mapping_problems
        self._contents = contents
        self.reloads += 1
        if contents.mapping_error:
            self._fail(contents.mapping_error)
            return
        self.last_error = ""
        self._log_contents("read again: ")

    def _fail(self, problem: str) -> None:
        self.failures += 1
        self.last_error = problem
        logger.warning("%s; the old manifests stay in use", problem)

    def _log_contents(self, action: str) -> None:
        with_role = sum(ROLE_ARN in account.annotations for account in self.accounts())
        counts = (self.account_count, with_role, len(self.mapping))
        level = logging.INFO if self.account_count or self.mapping else logging.WARNING
        text = "%s: %s%d ServiceAccounts, %d of them with a role, %d role mappings"
        logger.log(level, text, self._path, action, *counts)
        for problem in self.mapping_problems:
            logger.warning("%s", problem)

    def _read(self) -> _Contents:
        contents = _Contents()
        places: dict[tuple[str, str, str], str] = {}
        for document in self._documents():
            group, kind = document.group_kind()
            if group or kind not in {"ServiceAccount", "ConfigMap"}:
                continue
            key = object_key(document, DEFAULT_NAMESPACE)
            if kind == "ConfigMap" and key != self._config_map:
                continue
            earlier = places.get((kind, *key))
            if earlier:
                logger.warning("%s: %s %s/%s: it replaces that of %s", document.place, kind, *key, earlier)
            places[kind, *key] = document.place
            if kind == "ServiceAccount":
                contents.accounts[key] = service_account(document, self._settings)
            else:
                _read_mapping(document, contents)
        return contents

    def _documents(self) -> list[Document]:
        documents: list[Document] = []
        for file in manifest_files(self._path):
            if file.is_fifo():
                # Reading a pipe could block forever.
                raise ManifestError(f"{file}: is a pipe")
            content = read_file(file)
            if not content and file.is_file():
                # `kubectl get ... > FILE` creates an empty file, and fills it when the API server has answered.
                raise ManifestError(f"{file}: is empty: is somebody still writing it?")
            documents.extend(read_documents(content, str(file)))
        return documents


def _read_mapping(document: Document, contents: _Contents) -> None:
    contents.mapping_error = ""
    try:
        contents.mapping, contents.mapping_problems = role_mapping(document)
    except ManifestError as error:
        contents.mapping_error = str(error)


def _stamp(path: Path) -> _Stamp:
    """Returns a value that changes with every change of the manifests at `path`."""
    try:
        return tuple(stamp(file) for file in manifest_files(path))
    except ManifestError as error:
        return (str(error),)
