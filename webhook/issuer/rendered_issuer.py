"""The issuer's URL, as Kubernetes, IAM and STS want it. They compare it to the letter, so nothing is corrected here."""

import re
from typing import Final
from urllib.parse import urlsplit

MAX_LENGTH: Final = 255
"""Characters of the URL of an IAM OIDC provider."""

_ALLOWED: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def issuer_problems(url: str) -> tuple[str, ...]:
    """Returns why `url` cannot be an issuer for AWS, each as one line; nothing if it can."""
    if not url.startswith("https://"):
        return (f"{url[:80]!r} must start with https:// in small letters",)
    if not _ALLOWED.fullmatch(url):
        return (f"{url[:80]!r} has a character that no URL has",)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return (f"{url[:80]!r} is not a URL: {error}",)
    problems = []
    if len(url) > MAX_LENGTH:
        problems.append(f"has {len(url)} characters; IAM takes {MAX_LENGTH} at most")
    if "@" in parts.netloc:
        problems.append("must not contain a user or password")
    elif not _HOST.fullmatch(parts.hostname or "") or parts.hostname != parts.netloc.partition(":")[0]:
        problems.append("must have a host name in small letters")
    if "?" in url:
        problems.append("must not have a query (?)")
    if "#" in url:
        problems.append("must not have a fragment (#)")
    if parts.path.endswith("/"):
        problems.append(
            "must not end with a slash: tokens and IAM carry it to the letter, so write it without one there too"
        )
    elif "//" in parts.path or any(part in {".", ".."} for part in parts.path.split("/")):
        problems.append("must not have an empty part, . or .. in its path")
    return tuple(problems)


def issuer_notes(url: str) -> tuple[str, ...]:
    """Returns what an admin should know about a URL without problems."""
    if urlsplit(url).port is not None:
        return ("the issuer URL has a port: IAM advises against one, and published guides have none",)
    return ()
