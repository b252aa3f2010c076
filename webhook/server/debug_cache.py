"""The content of `/debug/alpha/cache`: the ServiceAccounts that have a role, in the format of the Go webhook."""

from collections.abc import Iterable
from typing import Any

from webhook.admission.identity import Identity, OtherSources, ServiceAccount, resolve
from webhook.admission.settings import Settings


def debug_cache(accounts: Iterable[ServiceAccount], settings: Settings) -> dict[str, Any]:
    """Returns, by `namespace/name`, the role, the audience, regional STS, and the token's lifetime in seconds."""
    shown = {}
    for account in accounts:
        identity, _ = resolve(account, (account.namespace, account.name), {}, OtherSources(), settings)
        if isinstance(identity, Identity):
            shown[f"{account.namespace}/{account.name}"] = {
                "RoleARN": identity.role_arn,
                "Audience": identity.audience,
                "UseRegionalSTS": identity.regional_sts,
                "TokenExpiration": identity.expiration,
            }
    return shown
