"""What the API server serves: URL paths, the media types of answers, and the RBAC rule for each verb."""

import re
from dataclasses import dataclass
from typing import Final

from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.cluster.api_errors import InvalidName

JSON: Final = "application/json"
# These request only the metadata of objects. With the list form, a watch is empty, and the API server refuses a get.
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_PLURAL: Final = re.compile(r"[a-z]+", re.ASCII)
_GROUP_VERSION: Final = re.compile(r"(?:[a-z0-9.-]+/)?v[0-9][a-z0-9]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Resource:
    """A collection, or the object `name` in it, or its `subresource`; an empty `namespace` means all namespaces.

    `subresource` is one of the object's, such as `eviction`. `is_granted_everywhere`: the RBAC rule names neither the
    namespace nor the object. The constructor raises InvalidName if Kubernetes does not allow a name, so that only valid
    names go into a URL.
    """

    plural: str
    namespace: str = ""
    name: str = ""
    group_version: str = "v1"
    is_granted_everywhere: bool = False
    subresource: str = ""

    def __post_init__(self) -> None:
        words = [self.plural, *([self.subresource] if self.subresource else [])]
        if not all(map(_PLURAL.fullmatch, words)) or not _GROUP_VERSION.fullmatch(self.group_version):
            raise InvalidName(f"{self.group_version[:80]!r} {self.plural[:80]!r} is not a resource of the API")
        if self.namespace and not is_dns_label(self.namespace):
            raise InvalidName(f"{self.namespace[:80]!r} is not a namespace's name (DNS-1123 label)")
        if self.name and not is_dns_subdomain(self.name):
            raise InvalidName(f"{self.name[:80]!r} is not an object's name (DNS-1123 subdomain)")

    @property
    def path(self) -> str:
        """The path of this resource in the API server's URLs."""
        parts = ["/apis" if "/" in self.group_version else "/api", self.group_version]
        if self.namespace:
            parts += ["namespaces", self.namespace]
        parts.append(self.plural)
        if self.name:
            parts.append(self.name)
        if self.subresource:
            parts.append(self.subresource)
        return "/".join(parts)

    def rule(self, verb: str, object_name: str = "") -> str:
        """Describes, for a person, the RBAC rule that grants `verb` on this resource, or only on `object_name`."""
        group = self.group_version.rpartition("/")[0]
        name = "" if self.is_granted_everywhere else self.name or object_name
        # The name of an object to create is not in the URL, so RBAC does not know it.
        is_named = name and (verb != "create" or self.subresource)
        names = f', resourceNames: ["{name}"]' if is_named else ""
        is_local = self.namespace and not self.is_granted_everywhere
        kind = f"Role in namespace {self.namespace}" if is_local else "ClusterRole"
        return f'apiGroups: ["{group}"], resources: ["{self._rbac}"], verbs: ["{verb}"]{names} in a {kind}'

    @property
    def _rbac(self) -> str:
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self._rbac}{' ' + self.name if self.name else ''}{where}"


@dataclass(frozen=True, slots=True)
class NonResource:
    """A document that the API server serves beside the resources, such as its JWKS.

    `role` is the ClusterRole of Kubernetes that grants it, or "".
    """

    path: str
    role: str = ""
    name: str = "document"

    def rule(self, verb: str, _object_name: str = "") -> str:
        """Describes, for a person, the RBAC rule that grants `verb`."""
        ours = f" (the ClusterRole {self.role} has it)" if self.role else ""
        return f'nonResourceURLs: ["{self.path}"], verbs: ["{verb}"] in a ClusterRole{ours}'

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class PodPort:
    """A document that a pod serves at a port with plain HTTP; the API server passes the request on.

    The constructor raises InvalidName, as that of Resource does.
    """

    namespace: str
    pod: str
    port: int
    document: str

    def __post_init__(self) -> None:
        Resource("pods", self.namespace, self.pod)

    @property
    def name(self) -> str:
        """The pod and the port, as the API server's URL has them."""
        return f"{self.pod}:{self.port}"

    @property
    def path(self) -> str:
        """The path in the API server's URLs."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}/proxy{self.document}"

    def rule(self, verb: str, _object_name: str = "") -> str:
        """Describes, for a person, the RBAC rule that grants `verb`."""
        where = f"in a Role in namespace {self.namespace}"
        return f'apiGroups: [""], resources: ["pods/proxy"], verbs: ["{verb}"] {where}'

    def __str__(self) -> str:
        return f"{self.document} of pod {self.namespace}/{self.name}"
