"""The ARN of an IAM OIDC provider, and the prefix that it gives to the condition keys."""

import re
from dataclasses import dataclass
from typing import Final

_PROVIDER: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):oidc-provider/(?P<path>.+)")


@dataclass(frozen=True, slots=True)
class ProviderArn:
    """An IAM OIDC provider. `path` is its URL without `https://`: the host, and the path if it has one."""

    partition: str
    account: str
    path: str

    def __str__(self) -> str:
        """The ARN."""
        return f"arn:{self.partition}:iam::{self.account}:oidc-provider/{self.path}"

    def key(self, claim: str) -> str:
        """Returns the condition key of a claim, such as `sub`."""
        return f"{self.path}:{claim}"


def parse_provider_arn(text: str) -> ProviderArn | None:
    """Returns the provider that an ARN names; None if it is no ARN of an OIDC provider."""
    match = _PROVIDER.fullmatch(text)
    return ProviderArn(match["partition"], match["account"], match["path"]) if match else None


def without_scheme(issuer: str) -> str:
    """Returns an issuer URL as IAM compares it: without `https://`."""
    return issuer.removeprefix("https://")
