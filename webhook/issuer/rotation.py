"""The rotation of the key that signs tokens: one JWKS of the old and new keys, and when the old may go.

A token is valid for STS until its `exp` and five minutes more, so the old key must stay published for that long after
the last API server signed with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from webhook.errors import WebhookError
from webhook.issuer.jwks import Jwk
from webhook.issuer.public_key import kid_of
from webhook.issuer.token_requirements import GRACE

MAX_AGE: Final = timedelta(hours=87600)
"""The longest lifetime of a token that makes sense: ten years."""


class MergeError(WebhookError):
    """Two JWKS that cannot be one, in one line."""


@dataclass(frozen=True)
class Merged:
    """All keys of both sets, in the order old, new.

    `added` are those of the new set only, `kept` those of both, `droppable` those of the old set only: they may go when
    their last token has expired.
    """

    keys: tuple[Jwk, ...]
    added: tuple[Jwk, ...]
    kept: tuple[Jwk, ...]
    droppable: tuple[Jwk, ...]
    notes: tuple[str, ...]


def merge(old: Sequence[Jwk], new: Sequence[Jwk]) -> Merged:
    """Returns both sets as one.

    A key of the old set that STS cannot use stays, with a note. Raises MergeError if the new set is empty, a key must
    not be published, a new one cannot be used, or a kid stands for two keys.
    """
    if not new:
        raise MergeError("the new JWKS has no key, so no token would be valid when the old keys are dropped")
    for origin, keys in (("old", old), ("new", new)):
        for number, jwk in enumerate(keys):
            if jwk.has_private_members or (origin == "new" and jwk.unusable_reason):
                raise MergeError(f"the {origin} JWKS, keys[{number}]: {jwk.unusable_reason}")
    before = {jwk.kid: jwk for jwk in old if jwk.kid}
    for jwk in new:
        if difference := _difference(before.get(jwk.kid), jwk):
            raise MergeError(
                f"the kid {jwk.kid!r} stands for {difference} in the old and the new JWKS: "
                "STS could not tell which verifies a token, so the new key needs another kid"
            )
    after = {jwk.kid for jwk in new}
    added = tuple(jwk for jwk in new if jwk.kid not in before)
    return Merged(
        keys=(*old, *added),
        added=added,
        kept=tuple(jwk for jwk in old if jwk.kid in after),
        droppable=tuple(jwk for jwk in old if jwk.kid not in after),
        notes=tuple(_notes(old, new, added)),
    )


def wait_after_switch(max_token_lifetime: timedelta) -> timedelta:
    """Returns how long the old keys must stay published after the last API server has switched to the new key."""
    return max_token_lifetime + GRACE


def span_text(span: timedelta) -> str:
    """Returns a time span as a flag would have it, to the minute: `24h5m`; less than a minute in seconds."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    if not minutes:
        return f"{seconds}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h" * bool(hours) + f"{minutes}m" * bool(minutes)


def order_of_rotation(max_token_lifetime: timedelta) -> tuple[str, ...]:
    """Returns the steps of a rotation, in the order in which no valid token fails."""
    wait = span_text(wait_after_switch(max_token_lifetime))
    return (
        "Publish the merged JWKS: upload it over the old one.",
        (
            "Wait until caches have it: the Cache-Control max-age of the old one. AWS does not document how long STS "
            "keeps keys, so wait an hour."
        ),
        (
            "Give every API server the new public key too (a second --service-account-key-file) and restart it, one by "
            "one. All of them must verify with the new key before one signs with it."
        ),
        "Switch the signer: --service-account-signing-key-file of every API server.",
        f"Wait {wait} after the last one: then no token of the old key is valid for STS.",
        (
            "Drop the old key: publish a JWKS without it. Drop it from --service-account-key-file only when no token "
            "in a Secret is signed with it: those never expire."
        ),
    )


def steps_left(merged: Merged, max_token_lifetime: timedelta, since_switch: timedelta | None) -> tuple[str, ...]:
    """Returns what is to do after this merge, as in `order_of_rotation`: nothing if both sets have the same keys.

    `since_switch` is how long ago the last API server switched to the new key; None if it is not known.
    """
    steps = order_of_rotation(max_token_lifetime)
    if merged.added:
        return steps
    if not merged.droppable:
        return ()
    if since_switch is None:
        return steps[1:]
    return steps[5:] if since_switch >= wait_after_switch(max_token_lifetime) else steps[4:]


def _difference(old: Jwk | None, new: Jwk) -> str:
    """Returns what a kid stands for, if its two entries are not the same key."""
    if old is None or new.public_key is None:
        return ""
    if old.public_key is None or kid_of(old.public_key) != kid_of(new.public_key):
        return "two different keys"
    if old.algorithms != new.algorithms:
        return f"one key with the algorithms {' '.join(old.algorithms)} and {' '.join(new.algorithms)}"
    return ""


def _notes(old: Sequence[Jwk], new: Sequence[Jwk], added: Sequence[Jwk]) -> list[str]:
    notes = [
        f"the old JWKS, keys[{number}]: {jwk.unusable_reason.rstrip('.')}; it stays as it is"
        for number, jwk in enumerate(old)
        if jwk.unusable_reason
    ]
    known = {kid_of(jwk.public_key): jwk.kid for jwk in old if jwk.public_key is not None}
    if not added:
        has_same_keys = len(new) == len(old)
        notes.append(
            "there is nothing to do: the old JWKS has the keys of the new one, and no other"
            if has_same_keys
            else "there is nothing to publish: the old JWKS has every key of the new one"
        )
    notes += [
        f"the new kid {jwk.kid!r} is the same key as the old kid {known[same]!r}"
        for jwk in added
        if jwk.public_key is not None and (same := kid_of(jwk.public_key)) in known
    ]
    more = sorted({name for jwk in added for name in jwk.algorithms} - {name for jwk in old for name in jwk.algorithms})
    if more and old:
        notes.append(f"the discovery document must list {', '.join(more)} too: render it again with all keys")
    return notes
