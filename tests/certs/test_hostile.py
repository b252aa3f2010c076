"""What somebody may have put into the Secret, the caBundle or a file: said, bounded, and never the end of the work."""

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


def test_beginnings_without_an_end_take_time_by_their_number_and_not_its_square() -> None:
    begin = b"-----BEGIN CERTIFICATE-----\n"
    megabyte = begin * (1024 * 1024 // len(begin)) + CA.certificate
    # With the square it would be minutes.
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
def test_a_request_at_an_absurd_time_is_said_and_left_out(annotation: str, time: str) -> None:
    state, problems = read_state({}, {annotation: time})
    assert (state.rotate_leaf_after, state.rotate_ca_after) == (None, None)
    assert problems == (f"the annotation {annotation} is not a time such as 2026-03-01T12:00:00Z",)


def test_however_many_lines_make_no_sense_it_is_said_once() -> None:
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
async def test_a_new_replica_puts_right_what_it_finds_and_serves(data: dict[str, bytes]) -> None:
    setting = Setting()
    setting.secrets.put(data, {ROTATE_LEAF_AFTER: "9999-12-31T23:59:59.5Z"})
    for _ in range(3):
        await setting.check(MINUTE)
    assert setting.authority.problem == ""
    assert setting.authority.serving is not None
    assert setting.authority.is_trusted


async def test_a_bundle_with_a_certificate_of_no_version_is_put_right() -> None:
    setting = Setting()
    await setting.check()
    right = setting.ca_bundle()
    stored = setting.bundles._configuration
    stored["webhooks"][0]["clientConfig"]["caBundle"] = b64encode(with_bad_version(CA.certificate)).decode()
    setting.bundles.put(stored)
    await setting.check(MINUTE)
    assert setting.ca_bundle() == right
    assert setting.authority.problem == ""


def test_keys_are_in_no_representation() -> None:
    assert not re.search(rb"PRIVATE", repr(Pair(CA.certificate, CA.private_key)).encode())
