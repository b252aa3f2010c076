"""Calls STS's AssumeRoleWithWebIdentity with a token, as an SDK in a pod does. The credentials are thrown away.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

import asyncio
import html
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

import httpx

from webhook.cluster.failures import without_password
from webhook.commands.doctor.gathering.beginning import beginning
from webhook.diagnosis.doctor.facts import Assumption
from webhook.issuer.token import Token

_VERSION: Final = "2011-06-15"
_SESSION: Final = "pod-identity-webhook-doctor"
_SHORTEST: Final = "900"
_TIMEOUT: Final = 15.0
_MAX_PORT: Final = 65535
_MAX_BYTES: Final = 100_000
_TRIED_FOR: Final = 60.0
"""Seconds: so long IAM may take until all of it has seen a change."""
_PAUSE: Final = 5.0
_CALLS_TO_ISSUER: Final = 3
"""STS asks to try again if it could not reach the issuer."""
_ARN: Final = re.compile(r"<Arn>([^<]{1,2048})</Arn>")
_CODE: Final = re.compile(r"<Code>([^<]{1,200})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,2000})</Message>", re.DOTALL)
_SUFFIXES: Final = {"aws-cn": "amazonaws.com.cn"}
_DEFAULTS: Final = {
    "aws": "https://sts.amazonaws.com",
    "aws-cn": "https://sts.cn-north-1.amazonaws.com.cn",
    "aws-us-gov": "https://sts.us-gov-west-1.amazonaws.com",
}


@dataclass(frozen=True)
class Pace:
    """The clock, in seconds, and how to wait; tests have their own."""

    clock: Callable[[], float] = monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def endpoint_of(partition: str, environ: Mapping[str, str]) -> str:
    """Returns the URL of STS as the SDKs choose it; "" if the partition wants a region and none is set."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"):
            if environ.get(name):
                return environ[name]
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""
    if region and re.fullmatch(r"[a-z0-9-]+", region):
        return f"https://sts.{region}.{_SUFFIXES.get(partition, 'amazonaws.com')}"
    return _DEFAULTS.get(partition, "")


async def assume(
    role_arn: str,
    token: Token,
    environ: Mapping[str, str],
    *,
    patiently: bool,
    say: Callable[[str], None],
    pace: Pace | None = None,
) -> Assumption:
    """Asks STS for the role. If `patiently`, AccessDenied is tried again for a minute: IAM is slow to agree.

    `say` is told so once.
    """
    pace = pace or Pace()
    endpoint = endpoint_of(role_arn.split(":")[1] if role_arn.count(":") > 1 else "aws", environ)
    if not endpoint:
        return Assumption(endpoint="STS", problem="its endpoint is not known: set AWS_REGION")
    began, calls = pace.clock(), 0
    async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client:
        while True:
            answer = _without_secrets(await _call(client, endpoint, role_arn, token), token)
            calls += 1
            passed = pace.clock() - began
            is_slow = patiently and answer.code == "AccessDenied" and passed + _PAUSE <= _TRIED_FOR
            is_unreached = answer.code == "IDPCommunicationError" and calls < _CALLS_TO_ISSUER
            if not (is_slow or is_unreached):
                return replace(answer, seconds=passed)
            if is_slow and calls == 1:
                say(f"STS answers AccessDenied: asking again for up to {_TRIED_FOR:g} s, since IAM sees changes late")
            await pace.sleep(_PAUSE if is_slow else 1.0)


async def _call(client: httpx.AsyncClient, endpoint: str, role_arn: str, token: Token) -> Assumption:
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": _VERSION,
        "RoleArn": role_arn,
        "RoleSessionName": _SESSION,
        "DurationSeconds": _SHORTEST,
        "WebIdentityToken": token.text,
    }
    try:
        if (httpx.URL(endpoint).port or 0) > _MAX_PORT:
            return Assumption(endpoint=endpoint, problem=f"a port is at most {_MAX_PORT}")
        async with asyncio.timeout(_TIMEOUT), client.stream("POST", endpoint, data=form) as answer:
            body = await beginning(answer, _MAX_BYTES)
    except TimeoutError:
        return Assumption(endpoint=endpoint, problem=f"no whole answer within {_TIMEOUT:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return Assumption(endpoint=endpoint, problem=f"no answer: {str(error) or type(error).__name__}")
    text = body[:_MAX_BYTES].decode("utf-8", errors="replace")
    if answer.status_code == 200 and (arn := _ARN.search(text)):
        return Assumption(endpoint=endpoint, arn=html.unescape(arn[1]))
    code, message = _CODE.search(text), _MESSAGE.search(text)
    if code is None:
        return Assumption(endpoint=endpoint, problem=f"HTTP {answer.status_code}, and no answer of STS")
    said = " ".join(html.unescape(message[1]).split()) if message is not None else ""
    return Assumption(endpoint=endpoint, code=html.unescape(code[1]), message=said)


def _without_secrets(answer: Assumption, token: Token) -> Assumption:
    """Returns the answer without the token, which a server that is not STS could send back, and without a password."""
    arn, code, message, problem = (
        text.replace(token.text, "…") for text in (answer.arn, answer.code, answer.message, answer.problem)
    )
    return replace(
        answer, endpoint=without_password(answer.endpoint), arn=arn, code=code, message=message, problem=problem
    )
