"""The account and region of this EC2 instance, from the instance metadata service, version 2 (IMDSv2)."""

from dataclasses import dataclass
from typing import Final

import httpx
import msgspec

from webhook.errors import WebhookError

DEFAULT_ENDPOINT: Final = "http://169.254.169.254"

_TIMEOUT: Final = 2.0
_ATTEMPTS: Final = 3
_TOKEN_TTL: Final = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}


class MetadataError(WebhookError):
    """The metadata service did not say what account this is."""


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """The part of the instance identity document that we read."""

    accountId: str
    region: str


def instance_identity(endpoint: str = DEFAULT_ENDPOINT) -> InstanceIdentity:
    """Asks the metadata service at `endpoint`, up to three times of 2 s. Raises MetadataError.

    The token is of IMDSv2, with the hop limit that the instance has: in a pod that is not on the host network, a
    limit of 1 hides the service.
    """
    problem = ""
    with httpx.Client(base_url=endpoint, timeout=_TIMEOUT, trust_env=False) as client:
        for _ in range(_ATTEMPTS):
            try:
                token = client.put("/latest/api/token", headers=_TOKEN_TTL).raise_for_status().text
                document = client.get(
                    "/latest/dynamic/instance-identity/document", headers={"X-aws-ec2-metadata-token": token}
                ).raise_for_status()
                return msgspec.json.decode(document.content, type=InstanceIdentity)
            except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
                problem = str(error).splitlines()[0] if str(error) else type(error).__name__
    raise MetadataError(
        f"--compose-role-arn: the instance metadata service at {endpoint} did not answer ({problem}); "
        "give --aws-account-id and --aws-partition instead"
    )
