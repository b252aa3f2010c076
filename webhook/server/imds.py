"""The account and region of this EC2 instance, from the instance metadata service, version 2 (IMDSv2)."""

import re
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec

from webhook.errors import WebhookError

DEFAULT_ENDPOINT: Final = "http://169.254.169.254"

_TIMEOUT: Final = 2.0
_ATTEMPTS: Final = 3
_TOKEN_TTL: Final = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}", re.ASCII)
_LONGEST_PROBLEM: Final = 200


class MetadataError(WebhookError):
    """The metadata service did not return the account."""


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """The part of the instance identity document that we read."""

    accountId: str
    region: str


def instance_identity(endpoint: str = DEFAULT_ENDPOINT) -> InstanceIdentity:
    """Asks the metadata service at `endpoint`, in up to three attempts of 2 s each. Raises MetadataError.

    The instance's hop limit applies to the IMDSv2 token: a pod that is not on the host network needs a limit of at
    least 2.
    """
    problem: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            return _asked(endpoint)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError, RecursionError, ValueError) as error:
            problem = error
    raise MetadataError(
        f"--compose-role-arn: the instance metadata service at {endpoint} did not return the account "
        f"({_one_line(problem)}); set --aws-account-id and --aws-partition instead"
    ) from problem


def _asked(endpoint: str) -> InstanceIdentity:
    with httpx.Client(base_url=endpoint, timeout=_TIMEOUT, trust_env=False) as client:
        token = client.put("/latest/api/token", headers=_TOKEN_TTL).raise_for_status().content
        document = client.get(
            "/latest/dynamic/instance-identity/document", headers={b"X-aws-ec2-metadata-token": token}
        ).raise_for_status()
    identity = msgspec.json.decode(document.content, type=InstanceIdentity)
    if not _ACCOUNT_ID.fullmatch(identity.accountId):
        raise ValueError(f"accountId is {identity.accountId[:40]!r}, not 12 digits")
    return identity


def _one_line(error: Exception | None) -> str:
    return str(error).partition("\n")[0][:_LONGEST_PROBLEM] or type(error).__name__
