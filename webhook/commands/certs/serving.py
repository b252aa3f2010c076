"""How `serve` runs in an installation: with which certificate, from which objects. Pure.

Its Deployment tells that, and in the pod its process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from webhook.commands.flags.by_command import SERVE_FLAGS
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.flags.serve_container import mapping, running_serve, sequence, serve_arguments
from webhook.commands.flags.to_settings import is_self_managed

_IN_CLUSTER: Final = {"KUBERNETES_SERVICE_HOST": "set in every pod"}
_NAMES: Final = ("namespace", "service_name", "tls_secret", "webhook_configuration")
_KINDS: Final[tuple[Literal["secret", "configMap"], ...]] = ("secret", "configMap")


@dataclass(frozen=True)
class Mounted:
    """The object and the key in it that a file in the pod shows."""

    kind: Literal["secret", "configMap"]
    name: str
    key: str


@dataclass(frozen=True)
class Serving:
    """What the flags of `serve` say. `ca_file` is empty if the webhook leaves the caBundle alone.

    `names` has the values of --namespace, --service-name, --tls-secret and --webhook-configuration. `variables` is the
    environment. `certificate` and `ca` tell which objects the files show, if the Deployment says so.
    """

    is_self_managed: bool
    certificate_file: str
    ca_file: str
    names: Mapping[str, str]
    variables: Mapping[str, str]
    certificate: Mounted | None = None
    ca: Mounted | None = None

    @property
    def writes_bundle(self) -> bool:
        """Whether the webhook writes the caBundle."""
        return self.is_self_managed or bool(self.ca_file)


def serving_of_process(command_line: bytes, environ: Mapping[str, str]) -> Serving | None:
    """Returns how the process with this /proc/PID/cmdline serves; None if it does not run `serve`."""
    arguments = serve_arguments([word.decode(errors="replace") for word in command_line.split(b"\0")[:-1]])
    return _serving(arguments, environ) if arguments is not None else None


def serving_of_deployment(deployment: Mapping[str, Any]) -> Serving | None:
    """Returns how the pods of a Deployment (apps/v1) serve; None if no container of it runs `serve`.

    A variable with `valueFrom` counts as unset.
    """
    spec = mapping(mapping(mapping(deployment.get("spec")).get("template")).get("spec"))
    running = running_serve(spec)
    if running is None:
        return None
    serving = _serving(running.arguments, {**_IN_CLUSTER, **running.variables})
    return replace(
        serving,
        certificate=_shown(running.container, sequence(spec.get("volumes")), serving.certificate_file),
        ca=_shown(running.container, sequence(spec.get("volumes")), serving.ca_file),
    )


def _serving(arguments: Sequence[str], environ: Mapping[str, str]) -> Serving:
    parsed: Parsed = parse(SERVE_FLAGS, arguments, environ)
    values = parsed.values
    is_own = is_self_managed(parsed, environ)
    return Serving(
        is_own,
        "" if is_own else str(values["tls_cert"]),
        "" if is_own or values["tls_ca"] is None else str(values["tls_ca"]),
        {name: str(values[name]) for name in _NAMES},
        environ,
    )


def _shown(container: Mapping[str, Any], volumes: Sequence[Any], path: str) -> Mounted | None:
    """Returns the object whose content is in the file `path` of the container; None if no volume shows one."""
    by_name = {one.get("name"): one for one in map(mapping, volumes)}
    for mount in map(mapping, sequence(container.get("volumeMounts"))):
        folder, is_file = str(mount.get("mountPath", "")), bool(mount.get("subPath"))
        shown_at = PurePosixPath(path) if is_file else PurePosixPath(path).parent
        if not path or shown_at != PurePosixPath(folder):
            continue
        file = str(mount["subPath"]) if is_file else PurePosixPath(path).name
        volume = mapping(by_name.get(mount.get("name")))
        for source in map(mapping, sequence(mapping(volume.get("projected")).get("sources")) or [volume]):
            if (shown := _shown_by(source, file)) is not None:
                return shown
    return None


def _shown_by(source: Mapping[str, Any], file: str) -> Mounted | None:
    for kind in _KINDS:
        shown = mapping(source.get(kind))
        name = str(shown.get("secretName") or shown.get("name") or "")
        items = [mapping(item) for item in sequence(shown.get("items"))]
        keys = [str(item.get("key")) for item in items if item.get("path") == file] if items else [file]
        if name and keys:
            return Mounted(kind, name, keys[0])
    return None
