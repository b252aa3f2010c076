"""The memory of one replica, and the policy that all replicas follow."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from certs.issue import CA_LIFETIME, LEAF_LIFETIME, Pair
from certs.state import State


@dataclass(frozen=True)
class Policy:
    """Lifetimes and waits.

    `settle`: how long a CA must be published before replicas serve its leaves; each API server learns of the caBundle
    separately, some later than others. `patience`: how long a new replica waits for the others to repair the Secret if
    clients trust a CA that the Secret lacks.
    """

    ca_lifetime: timedelta = CA_LIFETIME
    leaf_lifetime: timedelta = LEAF_LIFETIME
    settle: timedelta = timedelta(minutes=6)
    patience: timedelta = timedelta(seconds=15)
    common_name: str = "pod-identity-webhook CA"


@dataclass(frozen=True)
class Memory:
    """When this replica started, the state that it last adopted or wrote, and the leaf that it serves."""

    started: datetime
    state: State = field(default_factory=State)
    serving: Pair | None = None
