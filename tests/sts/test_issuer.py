"""What the stand-in makes of an issuer's documents, and how long it keeps them."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

import pytest

from certs.issue import issue_ca
from tests.issuer.keys import rsa_key
from tests.sts.accounts import Account
from tests.sts.bounded_fetch import MAX_BYTES, Fetcher
from tests.sts.published import DISCOVERY, JWKS, publish, write
from tests.sts.requests import ISSUER, NO_KEY, assume, token
from tests.sts.server import Sts
from tests.sts.static_host import StaticHost
from webhook.issuer.jwks import jwk_of, jwks_document, kid_of

KEY = jwk_of(rsa_key().public_key())
REFUSED = (
    400,
    "InvalidIdentityToken",
    NO_KEY,
)
WRONG_CERTIFICATE = (
    400,
    "InvalidIdentityToken",
    "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
)
UNREACHABLE = (400, "IDPCommunicationError", "The identity provider could not be reached")
PRIVATE = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 38\r\n\r\n<Error><Code>AccessDenied</Code></Error>"
MOVED = b"HTTP/1.1 301 Moved Permanently\r\nLocation: /moved\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n\r\n"

Break = Callable[[StaticHost], object]


def _answer(path: str, *parts: bytes) -> Break:
    return lambda host: host.answers.update({f"/{path}": parts})


def _write(path: str, body: bytes) -> Break:
    return lambda host: write(host, path, body)


def _moved(host: StaticHost) -> None:
    (host.files / "moved").write_bytes((host.files / JWKS).read_bytes())
    host.answers[f"/{JWKS}"] = [MOVED]


BROKEN: dict[str, Break] = {
    "no discovery document": lambda host: (host.files / DISCOVERY).unlink(),
    "no JWKS": lambda host: (host.files / JWKS).unlink(),
    "a private bucket": _answer(DISCOVERY, PRIVATE),
    "a JWKS that has moved": _moved,
    "the right JWKS, but with status 404": _answer(JWKS, b"HTTP/1.1 404 Not Found\r\n\r\n", jwks_document([KEY])),
    "a discovery document of another issuer": lambda host: publish(host, f"{ISSUER}/other", [KEY]),
    "a discovery document whose issuer has a slash more": _write(
        DISCOVERY, f'{{"issuer": "{ISSUER}/", "jwks_uri": "{ISSUER}/{JWKS}"}}'.encode()
    ),
    "a discovery document without jwks_uri": _write(DISCOVERY, f'{{"issuer": "{ISSUER}"}}'.encode()),
    "a jwks_uri without TLS": _write(
        DISCOVERY, f'{{"issuer": "{ISSUER}", "jwks_uri": "http://oidc.example.test/{JWKS}"}}'.encode()
    ),
    "a JWKS of 0 bytes": _write(JWKS, b""),
    "a JWKS that is HTML": _write(JWKS, b"<!doctype html><html></html>"),
    "a JWKS without keys": _write(JWKS, b'{"keys": []}'),
    "a JWKS with another key": lambda host: publish(host, ISSUER, [jwk_of(rsa_key("other").public_key())]),
    "a JWKS whose key is for encryption": _write(JWKS, jwks_document([KEY]).replace(b'"use": "sig"', b'"use": "enc"')),
    "a JWKS that is too large": _write(JWKS, jwks_document([KEY]) + b" " * MAX_BYTES),
    "an endless JWKS": lambda host: host.answers.update({f"/{JWKS}": _endless(OK, b" " * 1024)}),
}


def _endless(*parts: bytes) -> Iterator[bytes]:
    yield from parts[:-1]
    yield from repeat(parts[-1])


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_a_document_gives_no_key(sts: Sts, host: StaticHost, damage: Break) -> None:
    damage(host)

    assert assume(sts).refusal == REFUSED


def test_the_documents_are_fetched_from_the_issuer(sts: Sts) -> None:
    assert assume(sts).status == 200

    assert sts.fetcher.fetched == [f"{ISSUER}/{DISCOVERY}", f"{ISSUER}/{JWKS}"]


def test_a_stopped_host_is_unreachable(sts: Sts, host: StaticHost) -> None:
    host.stop()

    assert assume(sts).refusal == UNREACHABLE


def test_a_host_that_does_not_end_its_answer_in_time_is_unreachable(host: StaticHost, account: Account) -> None:
    test_is_over = threading.Event()

    def hanging() -> Iterable[bytes]:
        yield OK
        while not test_is_over.wait(0.01):
            yield b" "

    host.answers[f"/{JWKS}"] = hanging()
    sts = Sts(Fetcher(host.ca, {host.name: host.address}, limit=0.3), {"111122223333": account})
    try:
        assert assume(sts).refusal == UNREACHABLE
    finally:
        test_is_over.set()
        sts.close()


def test_a_certificate_of_another_ca_or_name_is_refused(tmp_path: Path, host: StaticHost, account: Account) -> None:
    foreign = issue_ca(datetime.now(UTC), common_name="CA of the issuer's host")
    other_name = StaticHost(tmp_path / "other", "other.example.test")
    for ca, address in ((foreign.certificate, host.address), (other_name.ca, other_name.address)):
        sts = Sts(Fetcher(ca, {host.name: address}), {"111122223333": account})
        try:
            assert assume(sts).refusal == WRONG_CERTIFICATE
        finally:
            sts.close()
    other_name.close()


def test_keys_are_kept_until_their_time_is_over(sts: Sts, host: StaticHost) -> None:
    new = rsa_key("new")
    of_new_key = token(key=new, kid=kid_of(new.public_key()), exp=2**31)
    sts.clock.stop_at(datetime.now(UTC))
    assert assume(sts).status == 200
    publish(host, ISSUER, [KEY, jwk_of(new.public_key())])

    sts.clock.advance(timedelta(minutes=59))
    assert assume(sts, WebIdentityToken=of_new_key).refusal == REFUSED
    sts.clock.advance(timedelta(minutes=1))
    assert assume(sts, WebIdentityToken=of_new_key).status == 200
    assert len(sts.fetcher.fetched) == 4


def test_a_failure_is_not_kept(sts: Sts, host: StaticHost) -> None:
    write(host, JWKS, b"")
    assert assume(sts).refusal == REFUSED

    publish(host, ISSUER, [KEY])

    assert assume(sts).status == 200
