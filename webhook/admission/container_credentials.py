"""The ServiceAccounts that get container credentials (EKS Pod Identity) instead of a web identity token."""

from typing import TypeAlias

import msgspec

from webhook.errors import CredentialsConfigError

# (namespace, name) of each.
ContainerCredentials: TypeAlias = frozenset[tuple[str, str]]


class _Entry(msgspec.Struct):
    namespace: str
    serviceAccount: str


class _Document(msgspec.Struct):
    identities: list[_Entry] | None = None


def parse_container_credentials(document: bytes) -> ContainerCredentials:
    """The identities in `document`, the JSON of --watch-container-credentials-config; none where it is empty.

    Raises CredentialsConfigError, naming the place, where it is malformed.
    """
    if not document.strip():
        return frozenset()
    try:
        config = msgspec.json.decode(document, type=_Document | None)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise CredentialsConfigError(str(error)) from error
    # A Go program writes an empty list as null.
    entries = (config.identities if config is not None else None) or ()
    return frozenset((entry.namespace, entry.serviceAccount) for entry in entries)
