"""Hostile content in the Secret, the caBundle or a file: we report it in bounded time and space, and keep working."""

import re
from base64 import b64decode, b64encode
from datetime import timedelta

import pytest

from certs.errors import InvalidPair
from certs.issue import Pair, issue_ca, issue_leaf
from certs.pem import read_certificate, read_certificates
from certs.state import ROTATE_CA_AFTER, ROTATE_LEAF_AFTER, read_state
from tests.certs.replicas import NAMES, START
from tests.certs.test_authority import Setting

MINUTE = timedelta(minutes=1)
CA = issue_ca(START, common_name="CA")


def with_bad_version(pem: bytes) -> bytes:
    der = b64decode(b"".join(pem.splitlines()[1:-1]))
    assert der.count(b"\xa0\x03\x02\x01\x02") == 1
    lines = b64encode(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"))
    return b"-----BEGIN CERTIFICATE-----\n" + lines + b"\n-----END CERTIFICATE-----\n"


def test_begin_lines_without_an_end_take_linear_time() -> None:
    begin = b"-----BEGIN CERTIFICATE-----\n"
    megabyte = begin * (1024 * 1024 // len(begin)) + CA.certificate
    # Quadratic time would take minutes here.
    assert read_certificates(megabyte) == ((CA.certificate,), 0)


def test_a_certificate_of_an_unknown_version_is_one_that_cannot_be_read() -> None:
    damaged = with_bad_version(CA.certificate)
    with pytest.raises(InvalidPair):
        read_certificate(damaged)
    assert read_certificates(damaged + CA.certificate) == ((CA.certificate,), 1)


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.5Z", "9999-12-31T23:59:59-12:00", "1969-12-31T00:00:00Z"]
)
@pytest.mark.parametrize("annotation", [ROTATE_LEAF_AFTER, ROTATE_CA_AFTER])
def test_a_request_with_an_absurd_time_is_reported_and_ignored(annotation: str, time: str) -> None:
    state, problems = read_state({}, {annotation: time})
    assert (state.rotate_leaf_after, state.rotate_ca_after) == (None, None)
    assert problems == (f"the annotation {annotation} is not a time such as 2026-03-01T12:00:00Z",)


def test_many_invalid_lines_are_reported_once() -> None:
    _, problems = read_state({"previous-ca-until": b"abc 0001-01-01T00:00:00+14:00\n" * 1000}, {})
    assert problems == ("previous-ca-until has a line that is not a fingerprint and a time",)


@pytest.mark.parametrize(
    "data",
    [
        {"ca.crt": with_bad_version(CA.certificate), "ca.key": CA.private_key},
        {"tls.crt": with_bad_version(issue_leaf(CA, NAMES, START).certificate), "tls.key": CA.private_key},
        {"previous-ca.crt": b"-----BEGIN CERTIFICATE-----\n" * 3000, "previous-ca-until": b"\xff\x00" * 3000},
        {"ca.crt": b"\x00" * 5000, "ca.key": b"\xff" * 5000, "next-ca.crt": CA.private_key, "tls.key": CA.certificate},
    ],
    ids=["CA of no version", "leaf of no version", "beginnings", "bytes"],
)
async def test_a_new_replica_repairs_a_damaged_secret_and_serves(data: dict[str, bytes]) -> None:
    setting = Setting()
    setting.secrets.put(data, {ROTATE_LEAF_AFTER: "9999-12-31T23:59:59.5Z"})
    for _ in range(3):
        await setting.check(MINUTE)
    assert setting.authority.problem == ""
    assert setting.authority.serving is not None
    assert setting.authority.is_trusted


async def test_a_bundle_with_a_certificate_without_a_valid_version_is_corrected() -> None:
    setting = Setting()
    await setting.check()
    right = setting.ca_bundle()
    stored = setting.bundles._configuration
    stored["webhooks"][0]["clientConfig"]["caBundle"] = b64encode(with_bad_version(CA.certificate)).decode()
    setting.bundles.put(stored)
    await setting.check(MINUTE)
    assert setting.ca_bundle() == right
    assert setting.authority.problem == ""


def test_no_repr_shows_a_key() -> None:
    assert not re.search(rb"PRIVATE", repr(Pair(CA.certificate, CA.private_key)).encode())
