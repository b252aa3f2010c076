"""IAM as far as the stand-in needs it: accounts with OpenID Connect providers and roles with trust policies."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass
class Role:
    """A role: its trust policy, which is JSON text, and how long a session may last."""

    trust_policy: str
    longest_session: timedelta = timedelta(hours=1)


@dataclass
class Account:
    """An account: the client IDs of its providers by URL (without `https://`), and its roles by path and name."""

    providers: dict[str, set[str]] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)


Accounts = dict[str, Account]
"""By number, 12 digits."""
