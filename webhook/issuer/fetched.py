"""What a fetch of a document brought, and what STS requires of every document that it fetches.

`commands/issuer/fetch.py` does the fetching.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from webhook.issuer.check import Check, Requirement, all_skipped, shown
from webhook.issuer.json_object import DocumentError, read_object

MAX_BYTES: Final = 1024 * 1024
"""What we read of a document: STS publishes no limit, and 200 keys need a tenth of it."""

STS_SECONDS: Final = 5.0
"""How long STS waits for a whole answer."""

Stage = Literal["connection", "tls", "answer", "redirect", "size"]
STAGES: Final[tuple[Stage, ...]] = ("connection", "tls", "answer", "redirect", "size")

_PHRASES: Final = {
    "connection": "The host resolves and accepts connections",
    "tls": "TLS with a certificate that is valid for the host",
    "answer": f"The answer comes within STS's {STS_SECONDS:g} s",
    "redirect": "No redirect to elsewhere",
    "size": f"The size is sane (at most {MAX_BYTES // 1024:,} KiB)",
}
_JSON_TYPE: Final = re.compile(r"application/(?:[a-z0-9.-]+\+)?json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a fetch failed, and at which stage; the stages before it went well."""

    stage: Stage
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer to a GET without credentials, or the `problem` that prevented it.

    `seconds` is how long the whole fetch took; `redirects` are the URLs on the same host that it was sent to.
    """

    url: str
    status: int = 0
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)
    seconds: float = 0.0
    redirects: tuple[str, ...] = ()
    problem: Problem | None = None


def fetch_requirements(prefix: str) -> tuple[Requirement, ...]:
    """Returns the requirements on fetching a document; `prefix` is that of their names."""
    return (
        *(Requirement(f"{prefix}-{stage}", _PHRASES[stage]) for stage in STAGES),
        Requirement(f"{prefix}-access", "Anyone may read it, without credentials"),
        Requirement(f"{prefix}-json", "It is a JSON object"),
        Requirement(f"{prefix}-type", "Its Content-Type is that of JSON"),
    )


def fetch_checks(prefix: str, fetched: Fetched) -> list[Check]:
    """Checks how a document was fetched, and that it is a JSON object."""
    *transport, access, json_object, content_type = fetch_requirements(prefix)
    checks: list[Check] = []
    for stage, requirement in zip(STAGES, transport, strict=True):
        if fetched.problem is not None and fetched.problem.stage == stage:
            failed = requirement.failed(fetched.problem.reason, fetched.problem.fix)
            rest = [*transport[len(checks) + 1 :], access, json_object, content_type]
            return [*checks, failed, *all_skipped(rest, "it could not be fetched")]
        checks.append(requirement.ok(_found(stage, fetched)))
    if fetched.status != 200:
        skipped = all_skipped([json_object, content_type], f"the answer is HTTP {fetched.status}")
        return [*checks, _refused(access, fetched), *skipped]
    checks.append(access.ok("HTTP 200"))
    try:
        read_object(fetched.body)
    except DocumentError as error:
        failed = json_object.failed(f"{fetched.url}: {error}", "Serve the JSON document itself at this URL.")
        return [*checks, failed, content_type.skipped("it is not a JSON object")]
    return [*checks, json_object.ok("it is"), _type_check(content_type, fetched)]


def _found(stage: Stage, fetched: Fetched) -> str:
    if stage == "answer":
        return f"in {fetched.seconds:.2f} s"
    if stage == "redirect":
        return f"only on the same host, to {shown(fetched.redirects[-1])}" if fetched.redirects else "none"
    if stage == "size":
        return f"{len(fetched.body):,} bytes"
    return fetched.url if stage == "connection" else "verified"


def _refused(access: Requirement, fetched: Fetched) -> Check:
    said = f"{fetched.url}: HTTP {fetched.status}"
    try:
        read_object(fetched.body)
    except DocumentError as error:
        if fetched.body:
            said += f"; {error}"
    if fetched.status in {401, 403}:
        return access.failed(
            said,
            "Let anyone read it: with S3, a bucket policy for the two objects and a public access block that allows "
            "policies (the account's too); with an API server, bind the ClusterRole "
            "system:service-account-issuer-discovery to the group system:unauthenticated.",
        )
    if fetched.status in {404, 410}:
        return access.failed(said, "Publish the document at this URL; 'issuer render' writes it.")
    return access.failed(said, "Make the server answer 200 with the document.")


def _type_check(requirement: Requirement, fetched: Fetched) -> Check:
    media_type = fetched.content_type.partition(";")[0].strip().lower()
    if _JSON_TYPE.fullmatch(media_type):
        return requirement.ok(media_type)
    return requirement.failed(
        f"it is {shown(fetched.content_type)}" if fetched.content_type else "there is none",
        "Serve it as application/json, as OpenID Connect Discovery requires; "
        "for S3: aws s3 cp --content-type application/json.",
    )
