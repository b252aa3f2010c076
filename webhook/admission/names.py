"""Validates Kubernetes object names, before any lookup and before any use in a URL."""

import re
from functools import lru_cache
from typing import Final

_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS_LABEL: Final = re.compile(_LABEL, re.ASCII)
_DNS_SUBDOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


def is_dns_label(name: str) -> bool:
    """Whether `name` is a DNS-1123 label (a namespace's name): at most 63 characters."""
    return len(name) <= 63 and _matches(_DNS_LABEL, name)


def is_dns_subdomain(name: str) -> bool:
    """Whether `name` is a DNS-1123 subdomain (a ServiceAccount's name): at most 253 characters."""
    return len(name) <= 253 and _matches(_DNS_SUBDOMAIN, name)


# Most pods use the same few names.
@lru_cache(maxsize=4096)
def _matches(pattern: re.Pattern[str], name: str) -> bool:
    return pattern.fullmatch(name) is not None
