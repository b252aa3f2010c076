"""Kubernetes names: no accepted name can change the target of a URL."""

import pytest

from webhook.admission.names import is_dns_label, is_dns_subdomain

BAD = [
    "",
    "-",
    "-a",
    "a-",
    "A",
    "a_b",
    "a/b",
    "..",
    "a..b",
    ".a",
    "a.",
    "a\n",
    "\na",
    " a",
    "a ",
    "ä",
    "\u0430",
    "a%2f",
    "a?b",
    "\u0661",
]


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "kube-system", "1a1", "a" * 63])
def test_these_are_labels_and_subdomains(name: str) -> None:
    assert is_dns_label(name)
    assert is_dns_subdomain(name)


@pytest.mark.parametrize("name", ["a.b", "a.b-c.0", "a" * 253, ".".join("abc" for _ in range(63))])
def test_these_are_only_subdomains(name: str) -> None:
    assert not is_dns_label(name)
    assert is_dns_subdomain(name)


@pytest.mark.parametrize("name", [*BAD, "a" * 254])
def test_these_are_neither(name: str) -> None:
    assert not is_dns_label(name)
    assert not is_dns_subdomain(name)


def test_a_label_ends_at_63_characters() -> None:
    assert not is_dns_label("a" * 64)


@pytest.mark.parametrize("name", ["a." + "-" * 251, "a-" * 126 + "!", "a" * 252 + "!", "a." * 126 + "!"])
def test_names_made_to_be_slow_are_refused_at_once(name: str) -> None:
    assert not any(is_dns_subdomain(name) for _ in range(1000))
