"""Takes the flags of the running webhook over into a command, and says what it took and what it could not read."""

from typing import Any, Final

from webhook.cluster.installation import Installation
from webhook.commands.flags.by_command import ADMISSION_FLAGS
from webhook.commands.flags.flag import Flag
from webhook.commands.flags.parsing import Parsed
from webhook.commands.flags.running_flags import UnreadableFlags, flags_of

_CREDENTIALS: Final = "watch_container_credentials_config"


def take_over(parsed: Parsed, installation: Installation, command: str) -> list[str]:
    """Sets in `parsed` the running webhook's flags that determine what pods get; returns the notices about them.

    `command` is the name of our command. Flags that the user gave stay. A file in the webhook's container cannot be
    taken over.
    """
    if installation.template is None:
        return [f"the flags of the running webhook cannot be read: {command} uses its own flags and their defaults"]
    try:
        running, unread = flags_of(installation.template)
    except UnreadableFlags as error:
        return [f"{installation.workload}: {error}: {command} uses its own flags and their defaults"]
    notices = [f"{installation.workload}: not read, and may set flags: {', '.join(unread)}"] if unread else []
    taken, kept = [], []
    for flag in ADMISSION_FLAGS:
        value = running.values[flag.field]
        if value == parsed.values[flag.field]:
            continue
        if flag.field in parsed.given:
            kept.append(_spelled(flag, value))
        elif flag.field == _CREDENTIALS:
            notices.append(
                f"{installation.workload} runs with {_spelled(flag, value)}, a file in its container: "
                f"{command} does not read it; set --{flag.name} to a copy"
            )
        else:
            parsed.values[flag.field] = value
            taken.append(_spelled(flag, value))
    if "config_map_namespace" not in parsed.given:
        parsed.values["config_map_namespace"] = running.values["namespace"]
    if taken:
        notices.append(f"flags of {installation.workload}: {' '.join(taken)}")
    if kept:
        notices.append(f"your own flags win over those of {installation.workload}: {' '.join(kept)}")
    return notices + _differing(installation, running, command)


def _differing(installation: Installation, running: Parsed, command: str) -> list[str]:
    """Returns a notice if pods of an older or newer ReplicaSet run with other flags: a rollout is not finished."""
    names = []
    for name, template in installation.replica_sets.items():
        try:
            other, _ = flags_of(template)
            is_other = any(other.values[flag.field] != running.values[flag.field] for flag in ADMISSION_FLAGS)
        except UnreadableFlags:
            is_other = True
        if is_other:
            names.append(name)
    if not names:
        return []
    pods = f"pods of {', '.join(sorted(names))} run with other flags"
    return [f"{installation.workload} is not rolled out: {pods}; {command} uses those of the Deployment"]


def _spelled(flag: Flag, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return f"--{flag.name}={text}"
