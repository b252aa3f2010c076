"""How `serve` runs in an installation: with which certificate, from which objects. Pure.

Its Deployment tells that, and in the pod its process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from webhook.commands.flags.by_command import SERVE_FLAGS
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.flags.to_settings import is_self_managed

_IN_CLUSTER: Final = {"KUBERNETES_SERVICE_HOST": "set in every pod"}
_NAMES: Final = ("namespace", "service_name", "tls_secret", "webhook_configuration")
_COMMAND: Final = "pod-identity-webhook"
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
    arguments = _arguments_of_serve([word.decode(errors="replace") for word in command_line.split(b"\0")[:-1]])
    return _serving(arguments, environ) if arguments is not None else None


def serving_of_deployment(deployment: Mapping[str, Any]) -> Serving | None:
    """Returns how the pods of a Deployment (apps/v1) serve; None if no container of it runs `serve`."""
    spec = _mapping(_mapping(_mapping(deployment.get("spec")).get("template")).get("spec"))
    for container in map(_mapping, _list(spec.get("containers"))):
        arguments = _arguments_of_serve(_command_line(container))
        if arguments is None:
            continue
        # A variable with `valueFrom` has no value here.
        variables = {
            str(one["name"]): str(one.get("value", ""))
            for one in map(_mapping, _list(container.get("env")))
            if "name" in one
        }
        serving = _serving(arguments, {**_IN_CLUSTER, **variables})
        return replace(
            serving,
            certificate=_shown(container, _list(spec.get("volumes")), serving.certificate_file),
            ca=_shown(container, _list(spec.get("volumes")), serving.ca_file),
        )
    return None


def _command_line(container: Mapping[str, Any]) -> list[str]:
    """Returns the words that the container runs; the image's entry point is `pod-identity-webhook`, with `serve`."""
    command, arguments = ([str(word) for word in _list(container.get(name))] for name in ("command", "args"))
    if not command and _COMMAND in str(container.get("image", "")):
        return [_COMMAND, *(arguments or ["serve"])]
    return [*command, *arguments]


def _arguments_of_serve(words: Sequence[str]) -> Sequence[str] | None:
    """Returns the flags of `serve` in a command line; None if it is another command.

    `/webhook` and `pod-identity-webhook` followed by a flag also run `serve`, as the Go webhook's manifests expect.
    """
    for index, word in enumerate(words):
        if word == "serve":
            return words[index + 1 :]
        name = PurePosixPath(word).name
        following = words[index + 1] if index + 1 < len(words) else ""
        if name == _COMMAND and following.startswith("-"):
            return words[index + 1 :]
        if index == 0 and word == "/webhook":
            return words[1:]
    return None


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
    by_name = {one.get("name"): one for one in map(_mapping, volumes)}
    for mount in map(_mapping, _list(container.get("volumeMounts"))):
        folder, is_file = str(mount.get("mountPath", "")), bool(mount.get("subPath"))
        shown_at = PurePosixPath(path) if is_file else PurePosixPath(path).parent
        if not path or shown_at != PurePosixPath(folder):
            continue
        file = str(mount["subPath"]) if is_file else PurePosixPath(path).name
        volume = _mapping(by_name.get(mount.get("name")))
        for source in map(_mapping, _list(_mapping(volume.get("projected")).get("sources")) or [volume]):
            if (shown := _shown_by(source, file)) is not None:
                return shown
    return None


def _shown_by(source: Mapping[str, Any], file: str) -> Mounted | None:
    for kind in _KINDS:
        shown = _mapping(source.get(kind))
        name = str(shown.get("secretName") or shown.get("name") or "")
        items = [_mapping(item) for item in _list(shown.get("items"))]
        keys = [str(item.get("key")) for item in items if item.get("path") == file] if items else [file]
        if name and keys:
            return Mounted(kind, name, keys[0])
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []
