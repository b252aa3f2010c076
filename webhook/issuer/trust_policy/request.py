"""The request that a trust policy judges: AssumeRoleWithWebIdentity with the token of a ServiceAccount."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from webhook.issuer.trust_policy.provider import ProviderArn, parse_provider_arn

ASSUME_ROLE_WITH_WEB_IDENTITY: Final = "sts:AssumeRoleWithWebIdentity"

_CLAIMS: Final = ("sub", "aud", "azp", "amr")
"""The claims that IAM turns into condition keys of an OIDC provider of one's own."""

_PROVIDER_KEY: Final = re.compile(r"(?:https?://)?[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]+)?(?:/\S*)?:[a-z_]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `principal` is the ARN of the OIDC provider that the token's issuer has.

    `keys` has the values of condition keys by their name in lower case; an empty tuple means that the request certainly
    lacks the key. A key that is not in `keys` is unknown, unless `values_of` can exclude it.
    """

    action: str
    principal: str
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def values_of(self, key: str) -> tuple[str, ...] | None:
        """Returns the values of a condition key: empty if the request lacks it, None if that is unknown.

        Key names ignore case. The key of another provider, such as `accounts.google.com:sub`, is absent: a request
        carries one token.
        """
        name = key.lower()
        if name in self.keys:
            return self.keys[name]
        if not _PROVIDER_KEY.fullmatch(name):
            return None
        prefix, _, claim = name.rpartition(":")
        provider = parse_provider_arn(self.principal)
        is_own = provider is None or prefix == provider.path.lower()
        return () if not is_own and claim in _CLAIMS else None


def web_identity_request(
    provider: ProviderArn,
    claims: Mapping[str, Sequence[str]],
    *,
    session_name: str | None = None,
    now: datetime | None = None,
) -> Request:
    """Returns the request with a token that has `claims`: of `sub`, `aud`, `azp` and `amr`, the values.

    The token lacks those of the four that are not in `claims`. `session_name` is the RoleSessionName, and `now` the
    time at AWS; both are unknown if None. All other keys (source IP, tags, …) are unknown.
    """
    keys = {provider.key(claim).lower(): tuple(claims.get(claim, ())) for claim in _CLAIMS}
    if session_name is not None:
        keys["sts:rolesessionname"] = (session_name,)
    if now is not None:
        keys["aws:currenttime"] = (now.astimezone(UTC).isoformat(),)
        keys["aws:epochtime"] = (str(int(now.timestamp())),)
    return Request(ASSUME_ROLE_WITH_WEB_IDENTITY, str(provider), keys)
