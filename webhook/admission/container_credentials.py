"""The ServiceAccounts that get container credentials (EKS Pod Identity) instead of a web identity token."""

from typing import TypeAlias

import msgspec

from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.errors import CredentialsConfigError

# A set of (namespace, name).
ContainerCredentials: TypeAlias = frozenset[tuple[str, str]]


class _Entry(msgspec.Struct):
    namespace: str
    serviceAccount: str


class _Document(msgspec.Struct):
    identities: list[_Entry] | None = None


def parse_container_credentials(document: bytes) -> tuple[ContainerCredentials, list[str]]:
    """Parses `document`, the JSON of --watch-container-credentials-config, into identities; none if it is empty.

    Also returns a line for each entry that cannot name a ServiceAccount: such an entry has no effect.

    Raises CredentialsConfigError, which names the place, if the document is malformed.
    """
    if not document.strip():
        return frozenset(), []
    try:
        config = msgspec.json.decode(document, type=_Document | None)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise CredentialsConfigError(str(error)) from error
    # A Go program may write an empty list as null.
    entries = (config.identities if config is not None else None) or ()
    listed = {(entry.namespace, entry.serviceAccount) for entry in entries}
    problems = {identity: problem for identity in sorted(listed) if (problem := _problem(*identity))}
    return frozenset(listed - problems.keys()), list(problems.values())


def _problem(namespace: str, name: str) -> str:
    if is_dns_label(namespace) and is_dns_subdomain(name):
        return ""
    why = "globs are not known here" if "*" in namespace + name else "no ServiceAccount has such a name"
    return f"identity {namespace[:63]!r}, {name[:63]!r} is without effect: {why}"
