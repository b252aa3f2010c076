"""What the URL of an issuer must be before its documents are written.

It is compared to the letter by IAM and STS, so nothing is corrected. An issuer can be rendered that AWS does not
reach, for tests or for others, so that is a note only.
"""

from typing import Final
from urllib.parse import urlsplit

from webhook.issuer.issuer_url import url_checks

_NOTES: Final = frozenset({"host", "port"})


def issuer_problems(url: str) -> tuple[str, ...]:
    """Returns why documents for the issuer `url` would be useless, each as one line; nothing if they would not."""
    failed = [check for check in url_checks(url) if check.outcome == "failed" and check.name not in _NOTES]
    problems = [f"{check.found}. {check.fix}" for check in failed]
    if problems:
        return tuple(problems)
    parts = urlsplit(url)
    if not parts.hostname:
        return ("the URL has no host",)
    if not url.startswith(f"https://{parts.hostname}"):
        problems.append("the host must be in small letters: IAM and tokens carry it to the letter")
    if parts.path.endswith("/"):
        problems.append("the URL must not end with a slash: set --service-account-issuer without it too")
    elif "//" in parts.path or not {".", ".."}.isdisjoint(parts.path.split("/")):
        problems.append("the path must not have an empty part, . or ..")
    return tuple(problems)


def issuer_notes(url: str) -> tuple[str, ...]:
    """Returns what AWS will not like about a URL without problems."""
    return tuple(
        f"the issuer: {check.found}. {check.fix}"
        for check in url_checks(url)
        if check.outcome == "failed" and check.name in _NOTES
    )
