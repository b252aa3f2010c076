"""The Status objects with which the API server reports errors, in HTTP answers and in events of a watch."""

import msgspec

from webhook.cluster.api_errors import ApiError, Expired


class _Details(msgspec.Struct):
    retryAfterSeconds: int | None = None


class Status(msgspec.Struct):
    """A `meta/v1` Status: the members that we read."""

    message: str | None = None
    reason: str | None = None
    code: int | None = None
    details: _Details | None = None


def status_error(status: Status, prefix: str, code: int = 0, retry_after: float = 0) -> ApiError:
    """Converts a Status to an error with a message that starts with `prefix`.

    `code` and `retry_after` come from the HTTP answer and override those of the Status.
    """
    code = code or status.code or 500
    if not retry_after and status.details is not None:
        retry_after = max(status.details.retryAfterSeconds or 0, 0)
    kind = Expired if code == 410 or status.reason in {"Expired", "Gone"} else ApiError
    message = " ".join((status.message or status.reason or "no reason given").split())[:500]
    return kind(code, status.reason or "", f"{prefix}: {code}: {message}", retry_after)
