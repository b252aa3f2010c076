"""Which container of a pod runs `serve`, and the arguments and variables that it reads there. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from webhook.commands.flags.flag import ENV_PREFIX

_COMMAND: Final = "pod-identity-webhook"
# Kubernetes replaces these in arguments; a doubled dollar sign is one that it keeps.
_REFERENCE: Final = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)", re.ASCII)


@dataclass(frozen=True, slots=True)
class RunningServe:
    """The container that runs `serve`, the flags in its command line, and its environment.

    `unread` has a text for each source of flags that is another object: a variable from a Secret, `envFrom`.
    """

    container: Mapping[str, Any]
    arguments: Sequence[str]
    variables: Mapping[str, str]
    unread: Sequence[str]


def running_serve(pod_spec: Any) -> RunningServe | None:
    """Returns how a pod (its spec) runs `serve`; None if no container does. A container with our name goes first."""
    containers = [mapping(container) for container in sequence(mapping(pod_spec).get("containers"))]
    for container in sorted(containers, key=lambda container: container.get("name") != _COMMAND):
        variables, unread = _variables(container)
        words = [_expanded(word, variables) for word in _command_line(container)]
        arguments = serve_arguments(words)
        if arguments is not None:
            return RunningServe(container, arguments, variables, unread)
    return None


def serve_arguments(words: Sequence[str]) -> Sequence[str] | None:
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


def mapping(value: Any) -> Mapping[str, Any]:
    """Returns `value` if it is an object, else an empty one: any object of the API may lack a field."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """Returns `value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def _command_line(container: Mapping[str, Any]) -> list[str]:
    """Returns the words that the container runs; the image's entry point is `pod-identity-webhook`, with `serve`."""
    command, arguments = ([str(word) for word in sequence(container.get(name))] for name in ("command", "args"))
    is_ours = _COMMAND in str(container.get("image", "")) or container.get("name") == _COMMAND
    if not command and (is_ours or arguments[:1] == ["serve"]):
        return [_COMMAND, *(arguments or ["serve"])]
    return [*command, *arguments]


def _variables(container: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    sources = map(mapping, sequence(container.get("envFrom")))
    unread = [f"envFrom of {source.get('prefix', '')}*" for source in sources]
    for variable in map(mapping, sequence(container.get("env"))):
        name = str(variable.get("name"))
        if "valueFrom" in variable:
            values.pop(name, None)
            if name.startswith(ENV_PREFIX):
                unread.append(f"{name} (valueFrom)")
        else:
            values[name] = _expanded(str(variable.get("value") or ""), values)
    return values, unread


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)` as Kubernetes does: a reference to a variable that is not there stays as it is.

    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    return _REFERENCE.sub(
        lambda found: "$" if found[1] is None else variables.get(found[1], found[0]),
        text,
    )
