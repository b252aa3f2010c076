"""`issuer merge`: the JWKS for a key rotation, and when the old key may go."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from certs.state import format_time
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.issuer.files import place, write_files
from webhook.commands.issuer.flags import MERGE_FLAGS
from webhook.commands.issuer.keys import keys_of_either
from webhook.errors import SettingsError, UnusableInput
from webhook.issuer.jwks import Jwk, jwks_document
from webhook.issuer.rotation import MAX_AGE, Merged, MergeError, merge, span_text, steps_left, wait_after_switch

_ABOUT: Final = (
    "Merges the JWKS that is published, OLD, with NEW, the JWKS or the public key (PEM) that is to sign next; - is "
    "standard input. Reports which keys were added and kept, which may be dropped and from when, and the order of a "
    "rotation in which no valid token fails, or what is left of it if no key is new. "
    "Exit code: 0 if the keys are merged; 1 if the file cannot be written; 2 for wrong usage or keys that cannot be "
    "merged."
)
_PRINT: Final = "-"


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(MERGE_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("issuer merge OLD NEW [flags]", _ABOUT, MERGE_FLAGS))
        return 0
    switched_at = _checked(parsed)
    lifetime = timedelta(seconds=parsed.values["max_token_lifetime"])
    try:
        merged = merge(*(keys_of_either(name) for name in parsed.positionals))
    except MergeError as error:
        raise UnusableInput(f"{' and '.join(map(place, parsed.positionals))}: {error}") from error
    document = jwks_document(merged.keys)
    target = parsed.values["output_file"]
    if target != _PRINT:
        write_files({Path(target): document})
    now = datetime.now(UTC)
    steps = steps_left(merged, lifetime, now - switched_at if switched_at is not None else None)
    if parsed.values["output"] == "json":
        print(json.dumps(_as_json(merged, steps, document, lifetime, switched_at), indent=2))
        return 0
    report = "\n".join(_report(merged, steps, lifetime, switched_at, now))
    if target == _PRINT:
        print(document.decode(), end="")
        print(report, file=sys.stderr)
    else:
        print(f"{target}: {_count(merged.keys)}\n{report}")
    return 0


def _checked(parsed: Parsed) -> datetime | None:
    """Returns the time of --switched-at, if it is set. Raises SettingsError."""
    problems, switched_at = parsed.problems, None
    if len(parsed.positionals) != 2:
        problems.append("set exactly two files: OLD, which is published, and NEW")
    elif parsed.positionals == ["-", "-"]:
        problems.append("only one of OLD and NEW can be standard input")
    if not 1 <= parsed.values["max_token_lifetime"] <= MAX_AGE.total_seconds():
        problems.append("--max-token-lifetime: must be between 1s and 87600h")
    text = parsed.values["switched_at"]
    if text:
        try:
            switched_at = datetime.fromisoformat(text).astimezone(UTC)
            # The time when the old keys may go must be a date too.
            _ = switched_at + 2 * MAX_AGE
            has_zone = datetime.fromisoformat(text).tzinfo is not None
        except (ValueError, OverflowError):
            has_zone = False
        if not has_zone:
            problems.append(f"--switched-at: {text!r} is not a time with its zone, such as 2026-01-31T12:00:00Z")
    if problems:
        raise SettingsError(problems)
    return switched_at


def _report(
    merged: Merged, steps: Sequence[str], lifetime: timedelta, switched_at: datetime | None, now: datetime
) -> Iterator[str]:
    yield f"added: {_kids(merged.added)}"
    yield f"kept: {_kids(merged.kept)}"
    yield f"may be dropped later: {_kids(merged.droppable)}"
    if merged.droppable:
        wait = wait_after_switch(lifetime)
        if switched_at is None:
            when = f"{span_text(wait)} after the last API server has begun to sign with the new key"
        else:
            end = switched_at + wait
            when = f"{format_time(end)}, {'which has passed' if end <= now else f'in {span_text(end - now)}'}"
        yield f"  from when: {when} (longest token {span_text(lifetime)}, and the 5m that STS still accepts it)"
    for note in merged.notes:
        yield f"note: {note}"
    if steps:
        yield "The order to keep:" if merged.added else "What is left, in this order:"
    for number, step in enumerate(steps, 1):
        yield f"  {number}. {step}"


def _as_json(
    merged: Merged, steps: Sequence[str], document: bytes, lifetime: timedelta, switched_at: datetime | None
) -> dict[str, Any]:
    """Returns the output for scripts; `droppableFrom` is null without --switched-at."""
    wait = wait_after_switch(lifetime)
    return {
        "added": [jwk.kid for jwk in merged.added],
        "kept": [jwk.kid for jwk in merged.kept],
        "droppable": [jwk.kid for jwk in merged.droppable],
        "droppableSecondsAfterSwitch": int(wait.total_seconds()),
        "droppableFrom": format_time(switched_at + wait) if switched_at is not None else None,
        "order": list(steps),
        "notes": list(merged.notes),
        "jwks": json.loads(document),
    }


def _kids(keys: Sequence[Jwk]) -> str:
    return ", ".join(jwk.kid or "(a key without kid)" for jwk in keys) or "none"


def _count(keys: Sequence[Jwk]) -> str:
    return f"{len(keys)} {'key' if len(keys) == 1 else 'keys'}"
