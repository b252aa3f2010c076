"""The issuer: the cluster's token, and what the issuer publishes, judged as STS does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.facts import Published
from webhook.diagnosis.doctor.questions import DISCOVERY, ISSUER, KEYS, TOKEN
from webhook.diagnosis.doctor.step import Question, Step
from webhook.issuer.check import Check
from webhook.issuer.fetched import fetch_requirements
from webhook.issuer.issuer_url import url_checks
from webhook.issuer.verification import PresentedToken, verified

_OF_ISSUER: Final = frozenset({"issuer", "slash", "iss"})
_OF_TOKEN: Final = frozenset({"token", "claims", "exp"})
_OF_KEYS: Final = frozenset({"kid", "signature"})
_NO_ISSUER: Final = "the issuer is not known: set --issuer"
_UNREACHABLE: Final = frozenset({"discovery-connection", "jwks-connection", "discovery-answer", "jwks-answer"})


def token_step(facts: Published, namespace: str, name: str, now: datetime) -> Step:
    """Checks that the cluster issued a token that STS can read, and that is valid now."""
    if facts.token.value is None:
        return TOKEN.unknown(facts.token.problem or "no token was requested")
    failed = [check for check in _checks(facts, now) if check.name in _OF_TOKEN and check.outcome == "failed"]
    if failed:
        return _failed(TOKEN, failed, sections.EXPIRED_TOKEN if failed[0].name == "exp" else "")
    token = facts.token.value
    return TOKEN.ok(f"{token.alg}, of {namespace}/{name}, issuer {token.iss}, audience {', '.join(token.aud)}")


def issuer_step(facts: Published, now: datetime) -> Step:
    """Checks that the token's issuer, the document's and the given URL are one string that AWS can reach."""
    if not facts.issuer:
        return ISSUER.unknown(_NO_ISSUER)
    checks = _checks(facts, now)
    urls = [check for check in url_checks(facts.issuer) if check.outcome == "failed"]
    failed = [*urls, *(check for check in checks if check.name in _OF_ISSUER and check.outcome == "failed")]
    if failed:
        # What STS says then depends on which of the two differs.
        is_document = failed[0].name in {"issuer", "slash"}
        return _failed(ISSUER, failed, sections.NO_KEY if is_document else "")
    compared = [check for check in checks if check.name in _OF_ISSUER and check.outcome == "ok"]
    if not any(check.name == "issuer" for check in compared):
        return ISSUER.unknown(f"{facts.issuer} ({facts.origin}) could not be compared: the document was not read")
    return ISSUER.ok(f"{facts.issuer} ({facts.origin})")


def issuer_flags_step(facts: Published) -> Step:
    """Shows the API server's flags for tokens, as far as a token or the API server's own document has them."""
    if not facts.issuer:
        return ISSUER.unknown(facts.token.problem or _NO_ISSUER)
    failed = [check for check in url_checks(facts.issuer) if check.outcome == "failed"]
    said = f"--service-account-issuer={facts.issuer} ({facts.origin})"
    if failed:
        return ISSUER.failed(f"{said}: {failed[0].found}", failed[0].fix)
    return ISSUER.ok(said)


def discovery_step(facts: Published, now: datetime) -> Step:
    """Checks that anyone can read the discovery document, and that it has what STS needs."""
    if not facts.issuer:
        return DISCOVERY.unknown(_NO_ISSUER)
    names = ("members", "jwks-uri")
    checks = [c for c in _checks(facts, now) if c.name.startswith("discovery-") or c.name in names]
    return _fetched(DISCOVERY, checks, facts.discovery.url if facts.discovery is not None else "")


def keys_step(facts: Published, now: datetime) -> Step:
    """Checks that anyone can read the keys, and that they verify the cluster's token."""
    if not facts.issuer:
        return KEYS.unknown(_NO_ISSUER)
    names = {"jwks", "key-count", "private-keys", "keys", "algorithms", *_OF_KEYS}
    fetching = {requirement.name for requirement in fetch_requirements("jwks")}
    checks = [check for check in _checks(facts, now) if check.name in names | fetching]
    # A key that is not there says more than what follows from it.
    checks.sort(key=lambda check: check.name not in _OF_KEYS or check.outcome != "failed")
    step = _fetched(KEYS, checks, facts.jwks.url if facts.jwks is not None else "")
    if step.status != "ok":
        return step
    kid = next((check for check in checks if check.name == "kid"), None)
    if kid is None or kid.outcome != "ok":
        return KEYS.unknown(f"{step.found}; whether they sign the cluster's tokens is not known without a token")
    return KEYS.ok(f"{step.found}; kid {kid.found}")


def _fetched(question: Question, checks: Sequence[Check], url: str) -> Step:
    failed = [check for check in checks if check.outcome == "failed"]
    if failed:
        return _failed(question, failed, sections.ISSUER_UNREACHABLE if failed[0].name in _UNREACHABLE else "")
    if not any(check.outcome == "ok" for check in checks):
        return question.skipped(checks[0].found if checks else "there was nothing to fetch")
    return question.ok(url)


def _failed(question: Question, failed: Sequence[Check], anchor: str = "") -> Step:
    first, *others = failed
    more = f" (and {len(others)} more: issuer verify)" if others else ""
    return question.failed(f"{first.found}{more}", first.fix, anchor)


def _checks(facts: Published, now: datetime) -> list[Check]:
    """Returns the checks of `issuer verify`."""
    token = facts.token.value
    presented = PresentedToken(token.text) if token is not None else None
    audiences = token.aud if token is not None else ()
    sections = verified(facts.issuer, facts.discovery, facts.jwks, presented, audiences, now)
    return [check for section in sections for check in section.checks]
