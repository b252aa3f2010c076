"""ServiceAccounts and role mappings from manifests: the store of a webhook that asks no API server."""

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
    """The ServiceAccount that `document` is, in `namespace` where it names none.

    Raises ManifestError where its shape makes no sense.
    """
    own_namespace, name = object_key(document, namespace)
    annotations = document.member("metadata.annotations", dict) or {}
    for key, value in annotations.items():
        if not isinstance(value, str):
            problem = f"expected a string, got {type_name(value)}"
            hint = "" if isinstance(value, dict | list | None) else " (quotes make it one)"
            raise document.error(f"metadata.annotations[{key}]: {problem}{hint}")
    return known_account(own_namespace, name, annotations, settings)


def role_mapping(document: Document) -> tuple[RoleMapping, list[str]]:
    """The mapping in the ConfigMap that `document` is, and a line for each entry that was skipped.

    Raises ManifestError where the mapping as a whole makes no sense.
    """
    try:
        mapping, problems = parse_mapping(document.member("data.config", str) or "")
    except MappingError as error:
        raise document.error(f"data.config: {error}") from error
    return mapping, [f"{document.place}: data.config: {problem}" for problem in problems]


def object_key(document: Document, namespace: str) -> tuple[str, str]:
    """An object's namespace (`namespace` where it names none) and name; raises ManifestError where either is none."""
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
    """What one reading of the manifests found. `mapping_error`: why `mapping` is not what they say."""

    accounts: dict[tuple[str, str], ServiceAccount] = field(default_factory=dict)
    mapping: RoleMapping = NO_MAPPING
    mapping_problems: list[str] = field(default_factory=list)
    mapping_error: str = ""


class ManifestAccounts:
    """A ServiceAccountStore from the manifests at `path`: a file, or a folder's files.

    `config_map` is the namespace and name of the ConfigMap with role mappings; None: mappings are not read. Raises
    ManifestError when constructed from a path or manifests that cannot be read. `check` may run in another thread than
    everything else.

    `last_error` is why the manifests as they are now are not in force, empty where they are; `reloads` and `failures`
    count the changes that were taken up and those that were not, or not wholly.
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
        """The role mappings that hold now."""
        return self._contents.mapping

    @property
    def mapping_problems(self) -> list[str]:
        """A line for each entry of the mapping that is skipped, with its place."""
        return self._contents.mapping_problems

    @property
    def account_count(self) -> int:
        """How many ServiceAccounts there are."""
        return len(self._contents.accounts)

    def accounts(self) -> list[ServiceAccount]:
        """All ServiceAccounts that there are."""
        return list(self._contents.accounts.values())

    def get(self, namespace: str, name: str) -> ServiceAccount | None:
        """The ServiceAccount; None where the manifests have none of that name."""
        return self._contents.accounts.get((namespace, name))

    async def lookup(self, namespace: str, name: str) -> ServiceAccount | None:
        """What `get` returns: the manifests are the truth."""
        return self.get(namespace, name)

    def check(self) -> bool:
        """Takes up a change of the manifests once it has settled, and returns whether it did.

        If the manifests cannot be read, everything stays as it was, with one warning in the log.
        """
        if not self._watch.is_due():
            return False
        is_retry, self._is_retry = self._is_retry, False
        try:
            contents = self._read()
        except ManifestError as error:
            if isinstance(error.__cause__, OSError):
                # What the operating system refuses now it may grant later, without a change of the file.
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
        logger.warning("%s; what was read before stays in force", problem)

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
                logger.warning("%s: %s %s/%s again: it replaces that of %s", document.place, kind, *key, earlier)
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
                # Reading it could wait for ever.
                raise ManifestError(f"{file}: is a pipe")
            content = read_file(file)
            if not content and file.is_file():
                # `kubectl get ... > FILE` leaves it empty until the API server has answered.
                raise ManifestError(f"{file}: is empty: is it still being written?")
            documents.extend(read_documents(content, str(file)))
        return documents


def _read_mapping(document: Document, contents: _Contents) -> None:
    contents.mapping_error = ""
    try:
        contents.mapping, contents.mapping_problems = role_mapping(document)
    except ManifestError as error:
        contents.mapping_error = str(error)


def _stamp(path: Path) -> _Stamp:
    """Differs after every change of the manifests at `path`."""
    try:
        return tuple(stamp(file) for file in manifest_files(path))
    except ManifestError as error:
        return (str(error),)
