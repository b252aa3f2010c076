"""The Status objects by which the API server says what is wrong: in HTTP answers, and in events of a watch."""

import msgspec

from webhook.cluster.api_errors import ApiError, Expired


class _Details(msgspec.Struct):
    retryAfterSeconds: int | None = None


class Status(msgspec.Struct):
    """What the API server says of a failure: `meta/v1` Status, as far as we read it."""

    message: str | None = None
    reason: str | None = None
    code: int | None = None
    details: _Details | None = None


def status_error(status: Status, prefix: str, code: int = 0, retry_after: float = 0) -> ApiError:
    """The error that a Status is, its text starting with `prefix`; `code` and `retry_after` from HTTP go first."""
    code = code or status.code or 500
    if not retry_after and status.details is not None:
        retry_after = status.details.retryAfterSeconds or 0
    kind = Expired if code == 410 or status.reason in {"Expired", "Gone"} else ApiError
    message = " ".join((status.message or status.reason or "no reason given").split())[:500]
    return kind(code, status.reason or "", f"{prefix}: {code}: {message}", retry_after)
