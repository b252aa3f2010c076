"""The part of a Pod that admission reads, with the names of core/v1. Admission ignores all other members.

msgspec skips unknown members without building them: most of a pod never becomes Python objects.
"""

import msgspec

from webhook.admission.annotations import MIRROR_ANNOTATION, WINDOWS_NODE_SELECTORS


class _Wire(msgspec.Struct, gc=False, frozen=True):
    """The base of the wire types. They have no reference cycles, so the garbage collector need not track them."""


class Something(_Wire, frozen=True, gc=False):
    """A member whose presence matters, but not its content."""


class EnvVar(_Wire, frozen=True, gc=False):
    """An environment variable. The API server omits an empty `value`."""

    name: str
    value: str | None = None
    valueFrom: Something | None = None


class VolumeMount(_Wire, frozen=True, gc=False):
    """A volume mount of a container."""

    name: str
    mountPath: str = ""
    readOnly: bool | None = None


class WindowsOptions(_Wire, frozen=True, gc=False):
    """`windowsOptions` in the security context of a pod or container."""

    hostProcess: bool | None = None


class SecurityContext(_Wire, frozen=True, gc=False):
    """A security context of a pod or container."""

    windowsOptions: WindowsOptions | None = None


class Container(_Wire, frozen=True, gc=False):
    """A container or init container."""

    name: str
    env: list[EnvVar] | None = None
    volumeMounts: list[VolumeMount] | None = None
    securityContext: SecurityContext | None = None


class ServiceAccountTokenProjection(_Wire, frozen=True, gc=False):
    """A token source of a projected volume; without `audience` the token is for the API server."""

    path: str | None = None
    audience: str | None = None


class VolumeProjection(_Wire, frozen=True, gc=False):
    """A source of a projected volume."""

    serviceAccountToken: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(_Wire, frozen=True, gc=False):
    """The source of a projected volume."""

    sources: list[VolumeProjection] | None = None


class Volume(_Wire, frozen=True, gc=False):
    """A volume. Of the kinds, we read only `projected`."""

    name: str
    projected: ProjectedVolumeSource | None = None

    def token_at(self, path: str) -> ServiceAccountTokenProjection | None:
        """Returns the service account token that this volume projects to `path`, or None."""
        for source in (self.projected.sources or ()) if self.projected else ():
            if source.serviceAccountToken is not None and source.serviceAccountToken.path == path:
                return source.serviceAccountToken
        return None


class PodOS(_Wire, frozen=True, gc=False):
    """`spec.os`."""

    name: str | None = None


class NodeSelectorRequirement(_Wire, frozen=True, gc=False):
    """A requirement on a node's label."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None

    @property
    def says_windows(self) -> bool:
        """Whether only Windows nodes meet this requirement. A node runs either Linux or Windows."""
        if self.key not in WINDOWS_NODE_SELECTORS or not self.values:
            return False
        if self.operator == "In":
            return all(value == "windows" for value in self.values)
        return self.operator == "NotIn" and "linux" in self.values


class NodeSelectorTerm(_Wire, frozen=True, gc=False):
    """A set of requirements, all of which a node must meet. A term without requirements matches no node."""

    matchExpressions: list[NodeSelectorRequirement] | None = None
    matchFields: list[Something] | None = None


class NodeSelector(_Wire, frozen=True, gc=False):
    """A list of terms; a node must match at least one."""

    nodeSelectorTerms: list[NodeSelectorTerm] | None = None

    @property
    def says_windows(self) -> bool:
        """Whether every term that can match a node requires Windows."""
        terms = [term for term in self.nodeSelectorTerms or () if term.matchExpressions or term.matchFields]
        return bool(terms) and all(
            any(requirement.says_windows for requirement in term.matchExpressions or ()) for term in terms
        )


class NodeAffinity(_Wire, frozen=True, gc=False):
    """The nodes on which a pod may run. We do not read preferences."""

    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None = None


class Affinity(_Wire, frozen=True, gc=False):
    """`spec.affinity`. We read only the node affinity."""

    nodeAffinity: NodeAffinity | None = None


class PodSpec(_Wire, frozen=True, gc=False):
    """The pod's specification."""

    containers: list[Container] | None = None
    initContainers: list[Container] | None = None
    volumes: list[Volume] | None = None
    serviceAccountName: str | None = None
    serviceAccount: str | None = None
    nodeSelector: dict[str, str] | None = None
    os: PodOS | None = None
    affinity: Affinity | None = None
    hostNetwork: bool | None = None
    securityContext: SecurityContext | None = None


class ObjectMeta(_Wire, frozen=True, gc=False):
    """The pod's metadata. The name is absent if the API server will generate it."""

    name: str | None = None
    generateName: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


NO_METADATA = ObjectMeta()


class Pod(_Wire, frozen=True, gc=False):
    """A Pod, as far as admission reads it."""

    spec: PodSpec
    metadata: ObjectMeta | None = None
    kind: str | None = None

    @property
    def meta(self) -> ObjectMeta:
        """The metadata; empty if the object has none."""
        return self.metadata or NO_METADATA

    @property
    def service_account_name(self) -> str:
        """The ServiceAccount that the pod runs as. If the field is empty, the deprecated field counts.

        Empty if both are. The API server's ServiceAccount plugin has already set `default` on all pods except the
        mirror pods of static pods.
        """
        return self.spec.serviceAccountName or self.spec.serviceAccount or ""

    @property
    def is_mirror(self) -> bool:
        """Whether the pod mirrors a static pod. Kubelet runs the static pod even if we refuse its mirror."""
        return MIRROR_ANNOTATION in (self.meta.annotations or ())

    @property
    def is_windows(self) -> bool:
        """Whether the pod can run on Windows only."""
        spec = self.spec
        if spec.os is not None and spec.os.name == "windows":
            return True
        selector = spec.nodeSelector
        if selector is not None and any(selector.get(key) == "windows" for key in WINDOWS_NODE_SELECTORS):
            return True
        if spec.affinity is not None and _requires_windows(spec.affinity):
            return True
        # Without hostNetwork, the API server refuses HostProcess containers.
        if not spec.hostNetwork:
            return False
        if spec.securityContext is not None and _is_host_process(spec.securityContext):
            return True
        for containers in (spec.containers, spec.initContainers):
            for container in containers or ():
                if container.securityContext is not None and _is_host_process(container.securityContext):
                    return True
        return False


def _requires_windows(affinity: Affinity) -> bool:
    node = affinity.nodeAffinity
    required = node.requiredDuringSchedulingIgnoredDuringExecution if node is not None else None
    return required is not None and required.says_windows


def _is_host_process(context: SecurityContext) -> bool:
    return context.windowsOptions is not None and context.windowsOptions.hostProcess is True
