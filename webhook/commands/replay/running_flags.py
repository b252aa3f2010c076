"""The flags that a running webhook was started with, from the pod template of its Deployment."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from webhook.admission.settings import Settings
from webhook.commands.flags.by_command import SERVE_FLAGS
from webhook.commands.flags.flag import ENV_PREFIX
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.flags.to_settings import settings_from
from webhook.errors import SettingsError, WebhookError

_NAME: Final = "pod-identity-webhook"
# The image starts `serve` under this name, too.
_GO_NAME: Final = "/webhook"
# Kubernetes replaces these in arguments; a doubled dollar sign is one that it keeps.
_REFERENCE: Final = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)", re.ASCII)


class UnreadableFlags(WebhookError):
    """A pod template does not say which flags the webhook runs with."""


def flags_of(template: Mapping[str, Any]) -> tuple[Parsed, list[str]]:
    """Returns the flags of `serve` in a pod template as `serve` itself parses them, and a line for each unread source.

    A source is unread if it is another object: a variable from a Secret, `envFrom`. Raises UnreadableFlags.
    """
    container = _container(template)
    variables, unread = _variables(container)
    words = [_expanded(word, variables) for word in _words(container)]
    parsed = parse(
        SERVE_FLAGS, words, {name: value for name, value in variables.items() if name.startswith(ENV_PREFIX)}
    )
    problems = [*parsed.problems, *(f"{word!r} is no flag" for word in parsed.positionals)]
    if not problems:
        try:
            settings_from(parsed, Settings)
        except SettingsError as error:
            problems = error.problems
    if problems:
        raise UnreadableFlags(f"this version does not understand its flags: {'; '.join(problems)}")
    return parsed, unread


def _container(template: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = [each for each in (template.get("spec") or {}).get("containers") or [] if isinstance(each, Mapping)]
    named = [each for each in containers if each.get("name") == _NAME] or containers
    if len(named) != 1:
        raise UnreadableFlags(f"none of its {len(containers)} containers has the name {_NAME}")
    return named[0]


def _variables(container: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Returns the container's variables with a value, and a text for each source of flags that is another object."""
    values: dict[str, str] = {}
    unread = [f"envFrom of {source.get('prefix', '')}*" for source in container.get("envFrom") or []]
    for variable in container.get("env") or []:
        name = str(variable.get("name"))
        if variable.get("valueFrom"):
            values.pop(name, None)
            if name.startswith(ENV_PREFIX):
                unread.append(f"{name} (valueFrom)")
        else:
            values[name] = _expanded(str(variable.get("value") or ""), values)
    return values, unread


def _words(container: Mapping[str, Any]) -> Sequence[str]:
    """Returns the arguments of `serve`."""
    command = [str(word) for word in container.get("command") or []]
    arguments = [str(word) for word in container.get("args") or []]
    # Without a command, the image's own is `pod-identity-webhook`.
    program, *words = [*(command or [_NAME]), *arguments]
    name = program.rpartition("/")[2]
    if program == _GO_NAME:
        return words
    if name == _NAME and words and words[0].startswith("-"):
        # Arguments for the Go webhook start `serve`, too.
        return words
    if name == _NAME and words[:1] == ["serve"]:
        return words[1:]
    raise UnreadableFlags(f"its command is {' '.join([program, *words[:1]])}, not {_NAME} serve")


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)` as Kubernetes does: a reference to a variable that is not there stays as it is.

    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    return _REFERENCE.sub(
        lambda found: "$" if found[1] is None else variables.get(found[1], found[0]),
        text,
    )
