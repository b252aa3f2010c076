"""The part of a Pod that admission reads (core/v1 names). What is not here passes through unseen.

msgspec skips unknown members without building them: most of a pod is never turned into Python objects.
"""

import msgspec

from webhook.admission.annotations import MIRROR_ANNOTATION, WINDOWS_NODE_SELECTORS


class _Wire(msgspec.Struct, gc=False, frozen=True):
    """Wire types hold no cycles, so the collector need not track them."""


class Something(_Wire, frozen=True, gc=False):
    """A member of which nothing is read but that it is there."""


class EnvVar(_Wire, frozen=True, gc=False):
    """An environment variable. The API server leaves an empty `value` out."""

    name: str
    value: str | None = None
    valueFrom: Something | None = None


class VolumeMount(_Wire, frozen=True, gc=False):
    """A volume mount of a container."""

    name: str
    mountPath: str = ""
    readOnly: bool | None = None


class WindowsOptions(_Wire, frozen=True, gc=False):
    """`windowsOptions` of a pod's or a container's security context."""

    hostProcess: bool | None = None


class SecurityContext(_Wire, frozen=True, gc=False):
    """A security context, of a pod or of a container."""

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
    """A volume; kinds other than `projected` are not read."""

    name: str
    projected: ProjectedVolumeSource | None = None

    def token_at(self, path: str) -> ServiceAccountTokenProjection | None:
        """The service account token that this volume projects to `path`, if it does."""
        for source in (self.projected.sources or ()) if self.projected else ():
            if source.serviceAccountToken is not None and source.serviceAccountToken.path == path:
                return source.serviceAccountToken
        return None


class PodOS(_Wire, frozen=True, gc=False):
    """`spec.os`."""

    name: str | None = None


class NodeSelectorRequirement(_Wire, frozen=True, gc=False):
    """What a node's label must be like."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None

    @property
    def says_windows(self) -> bool:
        """Whether only nodes of Windows are like that: nodes are of Linux or of Windows."""
        if self.key not in WINDOWS_NODE_SELECTORS or not self.values:
            return False
        if self.operator == "In":
            return all(value == "windows" for value in self.values)
        return self.operator == "NotIn" and "linux" in self.values


class NodeSelectorTerm(_Wire, frozen=True, gc=False):
    """Requirements that all hold for a node; without any it matches none."""

    matchExpressions: list[NodeSelectorRequirement] | None = None
    matchFields: list[Something] | None = None


class NodeSelector(_Wire, frozen=True, gc=False):
    """Terms, of which one is enough."""

    nodeSelectorTerms: list[NodeSelectorTerm] | None = None

    @property
    def says_windows(self) -> bool:
        """Whether every term that matches a node at all says Windows."""
        terms = [term for term in self.nodeSelectorTerms or () if term.matchExpressions or term.matchFields]
        return bool(terms) and all(
            any(requirement.says_windows for requirement in term.matchExpressions or ()) for term in terms
        )


class NodeAffinity(_Wire, frozen=True, gc=False):
    """On which nodes a pod may run; preferences are not read."""

    requiredDuringSchedulingIgnoredDuringExecution: NodeSelector | None = None


class Affinity(_Wire, frozen=True, gc=False):
    """`spec.affinity`, of which only the nodes' is read."""

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
    """The pod's metadata; the name is absent where the API server will generate it."""

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
        """The metadata, or an empty one where the object has none."""
        return self.metadata or NO_METADATA

    @property
    def service_account_name(self) -> str:
        """The ServiceAccount that the pod runs as: the deprecated field counts where the new one is empty.

        Empty where it has none. The API server's ServiceAccount plugin has filled in `default` everywhere but in
        mirror pods of static pods.
        """
        return self.spec.serviceAccountName or self.spec.serviceAccount or ""

    @property
    def is_mirror(self) -> bool:
        """Whether it stands for a static pod, which its kubelet runs whether it is admitted or not."""
        return MIRROR_ANNOTATION in (self.meta.annotations or ())

    @property
    def is_windows(self) -> bool:
        """Whether the pod runs on Windows, and nowhere else."""
        spec = self.spec
        if spec.os is not None and spec.os.name == "windows":
            return True
        selector = spec.nodeSelector
        if selector is not None and any(selector.get(key) == "windows" for key in WINDOWS_NODE_SELECTORS):
            return True
        if spec.affinity is not None and _requires_windows(spec.affinity):
            return True
        # Without it the API server takes no container that is a process of a Windows host.
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
