"""`issuer merge`."""

import json
from pathlib import Path

import pytest

from tests.commands.issuer.key_files import EC, RSA
from tests.commands.outcome import run
from webhook.issuer.jwks import jwks_document

OTHER_TYPE = "the discovery document must list ES256 too: render it again with all keys"
BOTH = jwks_document([RSA, EC]).decode()


@pytest.mark.usefixtures("folder")
def test_the_merged_jwks_is_printed_and_the_report_goes_elsewhere() -> None:
    done = run("issuer", "merge", "old.json", "new.json")

    assert (done.code, done.out) == (0, BOTH)
    lines = done.err.splitlines()
    assert lines[:7] == [
        f"added: {EC.kid}",
        "kept: none",
        f"may be dropped later: {RSA.kid}",
        (
            "  from when: 24h5m after the last API server has begun to sign with the new key (longest token 24h, and "
            "the 5m that STS still accepts it)"
        ),
        f"note: {OTHER_TYPE}",
        "The order to keep:",
        "  1. Publish the merged JWKS: upload it over the old one.",
    ]
    assert [line[:5] for line in lines[6:]] == [f"  {number}. " for number in range(1, 7)]
    assert "  5. Wait 24h5m after the last one: then no token of the old key is valid for STS." in lines


def test_the_file_may_be_the_old_one(folder: Path) -> None:
    done = run("issuer", "merge", "old.json", "ec.pub", "--output-file=old.json")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"old.json: 2 keys\nadded: {EC.kid}\nkept: none\n")
    assert (folder / "old.json").read_text() == BOTH
    again = run("issuer", "merge", "old.json", "new.json", "--output-file=old.json")
    assert (folder / "old.json").read_text() == BOTH
    assert f"kept: {EC.kid}\nmay be dropped later: {RSA.kid}\n" in again.out
    assert "note: there is nothing to publish: the old JWKS has every key of the new one\n" in again.out
    assert "What is left, in this order:\n  1. Wait until caches have it" in again.out


@pytest.mark.usefixtures("folder")
def test_the_same_keys_leave_nothing_to_do() -> None:
    done = run("issuer", "merge", "old.json", "rsa.pub")
    scripts = run("issuer", "merge", "old.json", "rsa.pub", "--output=json")

    assert (done.code, done.out) == (0, jwks_document([RSA]).decode())
    assert done.err.splitlines() == [
        "added: none",
        f"kept: {RSA.kid}",
        "may be dropped later: none",
        "note: there is nothing to do: the old JWKS has the keys of the new one, and no other",
    ]
    assert json.loads(scripts.out)["order"] == []


@pytest.mark.usefixtures("folder")
def test_long_after_the_switch_only_dropping_the_old_key_is_left() -> None:
    done = run("issuer", "merge", "-", "new.json", "--switched-at=2020-01-01T12:00:00Z", stdin=BOTH)

    header, step = done.err.splitlines()[-2:]
    assert header == "What is left, in this order:"
    assert step.startswith("  1. Drop the old key: ")


@pytest.mark.parametrize(
    ("switched", "when"),
    [
        ("2020-01-01T12:00:00Z", "2020-01-01T13:05:00Z, which has passed"),
        ("2020-01-01T14:00:00+02:00", "2020-01-01T13:05:00Z, which has passed"),
        ("2999-01-01T12:00:00Z", "2999-01-01T13:05:00Z, in "),
    ],
)
@pytest.mark.usefixtures("folder")
def test_with_the_time_of_the_switch_the_report_has_times(switched: str, when: str) -> None:
    times = [f"--switched-at={switched}", "--max-token-lifetime=1h"]
    done = run("issuer", "merge", "old.json", "new.json", *times)
    scripts = run("issuer", "merge", "old.json", "new.json", *times, "--output=json")

    assert f"  from when: {when}" in done.err
    assert json.loads(scripts.out)["droppableFrom"] == when.partition(",")[0]


@pytest.mark.usefixtures("folder")
def test_json_is_for_scripts() -> None:
    done = run("issuer", "merge", "old.json", "-", "--output=json", stdin=BOTH)

    document = json.loads(done.out)
    assert len(document.pop("order")) == 6
    assert (done.code, done.err) == (0, "")
    assert document == {
        "added": [EC.kid],
        "kept": [RSA.kid],
        "droppable": [],
        "droppableSecondsAfterSwitch": 86_700,
        "droppableFrom": None,
        "notes": [OTHER_TYPE],
        "jwks": json.loads(BOTH),
    }


FILES = "set exactly two files: OLD, which is published, and NEW"
USAGE = {
    "one file": (["old.json"], FILES),
    "three files": (["old.json", "new.json", "new.json"], FILES),
    "standard input twice": (["-", "-"], "only one of OLD and NEW can be standard input"),
    "no lifetime": (
        ["old.json", "new.json", "--max-token-lifetime=0s"],
        "--max-token-lifetime: must be between 1s and 87600h",
    ),
    "a time without zone": (
        ["old.json", "new.json", "--switched-at=2026-01-31T12:00:00"],
        "--switched-at: '2026-01-31T12:00:00' is not a time with its zone, such as 2026-01-31T12:00:00Z",
    ),
    "a time at the end of time": (
        ["old.json", "new.json", "--switched-at=9999-12-31T12:00:00Z"],
        "--switched-at: '9999-12-31T12:00:00Z' is not a time with its zone, such as 2026-01-31T12:00:00Z",
    ),
    "no time": (
        ["old.json", "new.json", "--switched-at=now"],
        "--switched-at: 'now' is not a time with its zone, such as 2026-01-31T12:00:00Z",
    ),
}


@pytest.mark.parametrize(("argv", "problem"), USAGE.values(), ids=USAGE)
@pytest.mark.usefixtures("folder")
def test_wrong_usage_is_named(argv: list[str], problem: str) -> None:
    done = run("issuer", "merge", *argv)

    assert (done.code, done.out) == (2, "")
    assert (
        done.err == f"pod-identity-webhook issuer merge: {problem}\nSee 'pod-identity-webhook issuer merge --help'.\n"
    )


BAD_INPUT = {
    "another key with the same kid": (
        ["old.json", "clash.json"],
        (
            f"old.json and clash.json: the kid '{RSA.kid}' stands for two different keys in the old and the new JWKS: "
            "STS could not tell which verifies a token, so the new key needs another kid"
        ),
    ),
    "a private key": (
        ["secret.json", "new.json"],
        (
            "secret.json and new.json: the old JWKS, keys[0]: it contains a private key or a secret (member d): never "
            "publish it"
        ),
    ),
    "a new key without kid": (
        ["old.json", "unnamed.json"],
        "old.json and unnamed.json: the new JWKS, keys[0]: it has no kid, so STS cannot find it",
    ),
    "a new JWKS without keys": (
        ["old.json", "none.json"],
        ("old.json and none.json: the new JWKS has no key, so no token would be valid when the old keys are dropped"),
    ),
    "0 bytes": (["old.json", "empty"], "empty: it is empty (0 bytes)"),
    "HTML": (["page.html", "new.json"], "page.html: it is an HTML page, not JSON"),
    "an endless file": (["/dev/zero", "new.json"], "/dev/zero: it is larger than 1024 KiB"),
    "a private key in PEM": (
        ["old.json", "private.key"],
        "private.key: it contains a private key, not a public one: openssl pkey -in FILE -pubout writes its public key",
    ),
}


@pytest.mark.parametrize(("argv", "problem"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_named_in_one_line_and_nothing_is_written(folder: Path, argv: list[str], problem: str) -> None:
    done = run("issuer", "merge", *argv, "--output-file=merged.json")

    assert (done.code, done.out, done.err) == (2, "", f"pod-identity-webhook issuer merge: {problem}\n")
    assert not (folder / "merged.json").exists()
