"""Merging two JWKS for a rotation."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.issuer.keys import ec_key, rsa_key
from webhook.issuer.jwks import Jwk, jwk_of, read_jwks
from webhook.issuer.rotation import MergeError, merge, order_of_rotation, span_text, steps_left, wait_after_switch

OLD, NEW, THIRD = (jwk_of(key.public_key()) for key in (rsa_key(), rsa_key("new"), rsa_key("third")))
CURVE = jwk_of(ec_key("ES256").public_key())


def changed(jwk: Jwk, **members: Any) -> Jwk:
    (made,) = read_jwks(json.dumps({"keys": [{**jwk.members, **members}]}).encode())
    return made


def test_the_new_key_is_added_and_the_old_one_may_go_later() -> None:
    merged = merge([OLD], [NEW])

    assert merged.keys == (OLD, NEW)
    assert (merged.added, merged.kept, merged.droppable, merged.notes) == ((NEW,), (), (OLD,), ())


def test_a_key_of_both_is_kept_once() -> None:
    merged = merge([OLD, THIRD], [THIRD, NEW])

    assert merged.keys == (OLD, THIRD, NEW)
    assert (merged.added, merged.kept, merged.droppable) == ((NEW,), (THIRD,), (OLD,))


def test_after_the_switch_the_same_command_says_what_may_go() -> None:
    merged = merge([OLD, NEW], [NEW])

    assert (merged.keys, merged.droppable) == ((OLD, NEW), (OLD,))
    assert merged.notes == ("there is nothing to publish: the old JWKS has every key of the new one",)


LIFETIME = timedelta(hours=1)
STEPS = order_of_rotation(LIFETIME)
LEFT = {
    "a new key": ([OLD], [NEW], None, STEPS),
    "a new key, after the switch": ([OLD], [NEW], timedelta(minutes=1), STEPS),
    "published": ([OLD, NEW], [NEW], None, STEPS[1:]),
    "switched just now": ([OLD, NEW], [NEW], timedelta(0), STEPS[4:]),
    "switched a minute too recently": ([OLD, NEW], [NEW], timedelta(minutes=64), STEPS[4:]),
    "waited long enough": ([OLD, NEW], [NEW], timedelta(minutes=65), STEPS[5:]),
    "the same keys": ([OLD, NEW], [NEW, OLD], None, ()),
}


@pytest.mark.parametrize(("old", "new", "since", "steps"), LEFT.values(), ids=LEFT)
def test_a_merge_says_what_is_left_to_do(
    old: list[Jwk], new: list[Jwk], since: timedelta | None, steps: tuple[str, ...]
) -> None:
    assert steps_left(merge(old, new), LIFETIME, since) == steps


NOTES = {
    "an old key that cannot be used stays": (
        [changed(OLD, use="enc")],
        [NEW],
        "the old JWKS, keys[0]: its use is 'enc', not 'sig'; it stays as it is",
    ),
    "the same key under another kid": (
        [changed(OLD, kid="mine")],
        [OLD],
        f"the new kid {OLD.kid!r} is the same key as the old kid 'mine'",
    ),
    "another type of key": (
        [OLD],
        [CURVE],
        "the discovery document must list ES256 too: render it again with all keys",
    ),
    "the same keys": ([OLD], [OLD], "there is nothing to do: the old JWKS has the keys of the new one, and no other"),
}


@pytest.mark.parametrize(("old", "new", "note"), NOTES.values(), ids=NOTES)
def test_what_is_odd_is_noted(old: list[Jwk], new: list[Jwk], note: str) -> None:
    merged = merge(old, new)

    assert merged.notes == (note,)
    assert merged.keys == (*old, *merged.added)


PRIVATE = "it contains a private key or a secret (member d): never publish it"
REFUSED = {
    "no new key": ([OLD], [], "the new JWKS has no key, so no token would be valid when the old keys are dropped"),
    "another key with the same kid": (
        [OLD],
        [changed(NEW, kid=OLD.kid)],
        (
            f"the kid {OLD.kid!r} stands for two different keys in the old and the new JWKS: STS could not tell which "
            "verifies a token, so the new key needs another kid"
        ),
    ),
    "another algorithm of the same key": (
        [OLD],
        [changed(OLD, alg="RS512")],
        (
            f"the kid {OLD.kid!r} stands for one key with the algorithms RS256 and RS512 in the old and the new JWKS: "
            "STS could not tell which verifies a token, so the new key needs another kid"
        ),
    ),
    "a private key in the old": ([changed(OLD, d="AQAB")], [NEW], f"the old JWKS, keys[0]: {PRIVATE}"),
    "a private key in the new": ([OLD], [NEW, changed(THIRD, d="AQAB")], f"the new JWKS, keys[1]: {PRIVATE}"),
    "a new key that cannot be used": (
        [OLD],
        [changed(NEW, kid="")],
        "the new JWKS, keys[0]: it has no kid, so STS cannot find it",
    ),
}


@pytest.mark.parametrize(("old", "new", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_merged_is_refused(old: list[Jwk], new: list[Jwk], problem: str) -> None:
    with pytest.raises(MergeError) as raised:
        merge(old, new)

    assert str(raised.value) == problem


KEYS = st.lists(st.sampled_from([OLD, NEW, THIRD]), unique_by=lambda jwk: jwk.kid)


@given(KEYS, KEYS.filter(bool))
def test_no_key_is_lost_and_each_has_one_place_in_the_report(old: list[Jwk], new: list[Jwk]) -> None:
    merged = merge(old, new)

    kids = sorted(jwk.kid for jwk in merged.keys)
    assert kids == sorted({jwk.kid for jwk in [*old, *new]})
    assert sorted(jwk.kid for jwk in (*merged.added, *merged.kept, *merged.droppable)) == kids


def test_the_wait_is_the_longest_token_and_the_grace_of_sts() -> None:
    assert wait_after_switch(timedelta(hours=24)) == timedelta(hours=24, minutes=5)
    assert "Wait 1h5m after the last one" in order_of_rotation(timedelta(hours=1))[4]


@pytest.mark.parametrize(
    ("span", "text"),
    [(timedelta(seconds=59), "59s"), (timedelta(hours=24), "24h"), (timedelta(minutes=65, seconds=30), "1h5m")],
)
def test_a_span_is_written_as_in_a_flag(span: timedelta, text: str) -> None:
    assert span_text(span) == text
