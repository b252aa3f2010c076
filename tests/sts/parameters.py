"""The parameters of AssumeRoleWithWebIdentity, checked as STS does before it looks at the token."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tests.sts.refusal import Refusal, invalid_parameter
from webhook.issuer.token import MAX_LENGTH, MIN_LENGTH

_ROLE: Final = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/([\w+=,.@/-]+)", re.ASCII)
_SESSION: Final = re.compile(r"[\w+=,.@-]*", re.ASCII)


@dataclass(frozen=True)
class WebIdentityRequest:
    """One checked request; `role` is the role's path and name."""

    partition: str
    account: str
    role: str
    session: str
    token: str
    duration: timedelta


def read_request(parameters: Mapping[str, str]) -> WebIdentityRequest:
    """Returns the request. Raises Refusal with ValidationError."""
    arn = _text(parameters, "RoleArn", 20, 2048)
    session = _text(parameters, "RoleSessionName", 2, 64)
    token = _text(parameters, "WebIdentityToken", MIN_LENGTH, MAX_LENGTH)
    found = _ROLE.fullmatch(arn)
    if found is None:
        raise invalid_parameter(f"{arn} is invalid")
    if not _SESSION.fullmatch(session):
        raise _unsatisfied(session, "RoleSessionName", "satisfy regular expression pattern: [\\w+=,.@-]*")
    seconds = parameters.get("DurationSeconds", "3600")
    if not re.fullmatch("[0-9]{1,9}", seconds):
        raise _unsatisfied(seconds, "DurationSeconds", "be an integer")
    if int(seconds) < 900:
        raise _unsatisfied(seconds, "DurationSeconds", "have value greater than or equal to 900")
    if int(seconds) > 43200:
        raise _unsatisfied(seconds, "DurationSeconds", "have value less than or equal to 43200")
    partition, account, role = found.groups()
    return WebIdentityRequest(partition, account, role, session, token, timedelta(seconds=int(seconds)))


def _text(parameters: Mapping[str, str], name: str, shortest: int, longest: int) -> str:
    value = parameters.get(name)
    if value is None:
        raise _unsatisfied("null", name, "not be null")
    if len(value) < shortest:
        raise _unsatisfied(value, name, f"have length greater than or equal to {shortest}")
    if len(value) > longest:
        raise _unsatisfied(value, name, f"have length less than or equal to {longest}")
    return value


def _unsatisfied(value: str, name: str, must: str) -> Refusal:
    # A token in a message would end in logs.
    shown = "***" if name == "WebIdentityToken" else value
    member = name[0].lower() + name[1:]
    return invalid_parameter(f"Value '{shown}' at '{member}' failed to satisfy constraint: Member must {must}")
