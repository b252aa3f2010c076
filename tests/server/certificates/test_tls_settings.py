"""Settings of TLS: the minimum version and the cipher suites."""

import ssl

import pytest

from tests.server.certificates.handshake import TLS12, TLS13
from webhook.server.certificates.tls_settings import TlsError, parse_cipher_suites, parse_min_version


@pytest.mark.parametrize(
    ("text", "version", "notice"),
    [
        ("1.0", TLS12, "TLS 1.0 is no longer safe: the minimum is TLS 1.2"),
        ("1.1", TLS12, "TLS 1.1 is no longer safe: the minimum is TLS 1.2"),
        ("1.2", TLS12, None),
        ("1.3", TLS13, None),
        ("VersionTLS10", TLS12, "TLS 1.0 is no longer safe: the minimum is TLS 1.2"),
        ("VersionTLS11", TLS12, "TLS 1.1 is no longer safe: the minimum is TLS 1.2"),
        ("VersionTLS12", TLS12, None),
        (" VersionTLS13 ", TLS13, None),
    ],
)
def test_a_minimum_version_may_be_a_number_or_a_name_of_go(
    text: str, version: ssl.TLSVersion, notice: str | None
) -> None:
    assert parse_min_version(text) == (version, notice)


@pytest.mark.parametrize("text", ["", "1", "1.4", "TLS1.2", "VersionTLS1", "VersionTLS14", "VersionTLS1.2", "SSLv3"])
def test_an_unknown_minimum_version_is_refused_and_the_error_lists_the_allowed_ones(text: str) -> None:
    with pytest.raises(TlsError) as refused:
        parse_min_version(text)
    assert str(refused.value) == (
        f"unknown TLS version {text!r}: use one of 1.0, 1.1, 1.2, 1.3,"
        " VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13"
    )


@pytest.mark.parametrize(
    ("text", "suites"),
    [
        ("", ()),
        (" , ", ()),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ("ECDHE-RSA-AES128-GCM-SHA256",)),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", ("ECDHE-ECDSA-AES256-GCM-SHA384",)),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ("ECDHE-RSA-CHACHA20-POLY1305",)),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", ("ECDHE-RSA-CHACHA20-POLY1305",)),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", ("ECDHE-ECDSA-AES128-SHA",)),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", ("ECDHE-RSA-AES128-SHA256",)),
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", ("AES256-GCM-SHA384",)),
        ("ECDHE-RSA-AES128-GCM-SHA256", ("ECDHE-RSA-AES128-GCM-SHA256",)),
        (
            "ECDHE-RSA-AES256-SHA, TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
            ("ECDHE-RSA-AES256-SHA", "AES128-SHA"),
        ),
    ],
)
def test_cipher_suites_may_have_the_names_of_go_or_openssl_and_keep_their_order(
    text: str, suites: tuple[str, ...]
) -> None:
    assert parse_cipher_suites(text) == (suites, None)


def test_suites_of_tls_1_3_cause_a_notice_because_nobody_can_choose_them() -> None:
    always_on = "all cipher suites of TLS 1.3 stay on, you cannot choose among them: TLS_AES_128_GCM_SHA256"
    assert parse_cipher_suites("TLS_AES_128_GCM_SHA256,AES128-SHA") == (
        ("TLS_AES_128_GCM_SHA256", "AES128-SHA"),
        always_on,
    )
    assert parse_cipher_suites("TLS_AES_128_GCM_SHA256") == (
        ("TLS_AES_128_GCM_SHA256",),
        f"{always_on}; TLS 1.2 is off, because none of its suites is set",
    )


@pytest.mark.parametrize(
    "unknown",
    ["TLS_ECDHE_RSA_WITH_RC4_128_SHA", "TLS_NOPE", "HIGH", "AECDH-AES128-SHA", "NULL-SHA256", "PSK-AES128-CBC-SHA"],
)
def test_the_error_names_an_unknown_or_unsafe_suite(unknown: str) -> None:
    with pytest.raises(TlsError, match=f"^unknown cipher suite '{unknown}': use names such as TLS_ECDHE_ECDSA_WITH_"):
        parse_cipher_suites(f"AES128-SHA,{unknown}")


def test_the_error_names_all_unknown_suites() -> None:
    with pytest.raises(TlsError, match=r"^unknown cipher suite 'A', 'B': "):
        parse_cipher_suites("A,AES128-SHA,B")
