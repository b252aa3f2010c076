"""The thumbprint of a chain."""

import re
import subprocess
from ssl import PEM_cert_to_DER_cert

import pytest

from certs.issue import Names, issue_ca, issue_leaf
from tests.issuer.keys import NOW
from webhook.issuer.thumbprint import top_certificate

CA = issue_ca(NOW, common_name="a CA")
LEAF = issue_leaf(CA, Names(dns=("a.example.com",)), NOW)


def der(pem: bytes) -> bytes:
    return PEM_cert_to_DER_cert(pem.decode())


@pytest.mark.parametrize(
    ("chain", "top", "is_only_one"),
    [([LEAF, CA], CA, False), ([LEAF], LEAF, True)],
    ids=["the CA if it is sent", "the leaf if it is alone"],
)
def test_it_is_what_openssl_gives_for_the_last_certificate(chain: list[object], top: object, is_only_one: bool) -> None:
    found = top_certificate([der(pair.certificate) for pair in chain])  # type: ignore[attr-defined]

    done = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha1"],
        input=top.certificate,  # type: ignore[attr-defined]
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert found.thumbprint == done.stdout.decode().strip().partition("=")[2].replace(":", "").lower()
    assert re.fullmatch("[0-9a-f]{40}", found.thumbprint)
    assert found.is_only_one == is_only_one


def test_what_is_no_certificate_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="error parsing asn1 value"):
        top_certificate([b"x"])
