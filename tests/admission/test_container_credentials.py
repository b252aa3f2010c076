"""Parsing the container credentials file: the listed identities, empty documents and errors."""

import pytest

from webhook.admission.container_credentials import parse_container_credentials
from webhook.errors import CredentialsConfigError


def test_each_identity_is_a_namespace_and_a_service_account() -> None:
    document = b"""{"identities": [
        {"namespace": "shop", "serviceAccount": "checkout"},
        {"serviceAccount": "cart", "namespace": "shop", "unknown": 1},
        {"namespace": "shop", "serviceAccount": "checkout"}
    ], "unknown": {}}"""
    assert parse_container_credentials(document) == (frozenset({("shop", "checkout"), ("shop", "cart")}), [])


@pytest.mark.parametrize("document", [b"", b" \n", b"{}", b"null", b'{"identities": []}', b'{"identities": null}'])
def test_an_empty_document_lists_nobody(document: bytes) -> None:
    assert parse_container_credentials(document) == (frozenset(), [])


def test_of_duplicate_keys_the_last_wins() -> None:
    document = b'{"identities": [{"namespace": "x", "serviceAccount": "x"}], "identities": []}'
    assert parse_container_credentials(document) == (frozenset(), [])


def test_names_that_no_service_account_can_have_are_named() -> None:
    document = b"""{"identities": [
        {"namespace": "shop", "serviceAccount": "*"},
        {"namespace": "test-*", "serviceAccount": "app"},
        {"namespace": "shop", "serviceAccount": "Checkout"},
        {"namespace": "", "serviceAccount": "app"},
        {"namespace": "shop", "serviceAccount": "cart"}
    ]}"""
    identities, problems = parse_container_credentials(document)
    assert identities == {("shop", "cart")}
    assert problems == [
        "identity '', 'app' is without effect: no ServiceAccount has such a name",
        "identity 'shop', '*' is without effect: globs are not known here",
        "identity 'shop', 'Checkout' is without effect: no ServiceAccount has such a name",
        "identity 'test-*', 'app' is without effect: globs are not known here",
    ]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b"{", "truncated"),
        (b"{} {}", "trailing"),
        (b"[]", "Expected `object | null`, got `array`"),
        (b'{"identities": {}}', "at `$.identities`"),
        (b'{"identities": [5]}', "at `$.identities[0]`"),
        (b'{"identities": [{"namespace": "shop"}]}', "missing required field `serviceAccount`"),
        (b'{"identities": [{"serviceAccount": "app"}]}', "missing required field `namespace`"),
        (b'{"identities": [{"namespace": 5, "serviceAccount": "app"}]}', "Expected `str`, got `int`"),
        (b'{"identities": [{"namespace": null, "serviceAccount": "app"}]}', "Expected `str`, got `null`"),
        (b'{"identities": [NaN]}', "malformed"),
        (b'{"identities": [{"namespace": "\xff", "serviceAccount": "app"}]}', "utf-8"),
        (b'{"identities": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "Expected `object`, got `array`"),
        (b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
    ],
)
def test_a_malformed_document_is_refused_and_the_error_says_where(document: bytes, text: str) -> None:
    with pytest.raises(CredentialsConfigError) as caught:
        parse_container_credentials(document)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
