"""The flags that a running webhook was started with, from the pod template of its Deployment."""

from collections.abc import Mapping, Sequence
from typing import Any

from webhook.admission.settings import Settings
from webhook.commands.flags.by_command import SERVE_FLAGS
from webhook.commands.flags.flag import ENV_PREFIX
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.flags.serve_container import running_serve
from webhook.commands.flags.to_settings import settings_from
from webhook.errors import SettingsError, WebhookError


class UnreadableFlags(WebhookError):
    """A pod template does not say which flags the webhook runs with."""


def flags_of(template: Mapping[str, Any]) -> tuple[Parsed, Sequence[str]]:
    """Returns the flags of `serve` in a pod template as `serve` itself parses them, and a line for each unread source.

    A source is unread if it is another object: a variable from a Secret, `envFrom`. Raises UnreadableFlags.
    """
    running = running_serve(template.get("spec"))
    if running is None:
        raise UnreadableFlags("none of its containers runs pod-identity-webhook serve")
    ours = {name: value for name, value in running.variables.items() if name.startswith(ENV_PREFIX)}
    parsed = parse(SERVE_FLAGS, running.arguments, ours)
    problems = [*parsed.problems, *(f"{word!r} is no flag" for word in parsed.positionals)]
    if not problems:
        try:
            settings_from(parsed, Settings)
        except SettingsError as error:
            problems = error.problems
    if problems:
        raise UnreadableFlags(f"this version does not understand its flags: {'; '.join(problems)}")
    return parsed, running.unread
