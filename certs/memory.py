"""What one replica knows beside the Secret, and the rules that all replicas follow."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from certs.issue import CA_LIFETIME, LEAF_LIFETIME, Pair
from certs.state import State


@dataclass(frozen=True)
class Policy:
    """Lifetimes and waits.

    `settle`: how long a CA is published before leaves of it are served: every API server learns of the caBundle by
    itself, some later than others. `patience`: how long a new replica that finds a strange Secret lets the others
    repair it first.
    """

    ca_lifetime: timedelta = CA_LIFETIME
    leaf_lifetime: timedelta = LEAF_LIFETIME
    settle: timedelta = timedelta(minutes=6)
    patience: timedelta = timedelta(seconds=15)
    common_name: str = "pod-identity-webhook CA"


@dataclass(frozen=True)
class Memory:
    """When this replica started, the last state that it agreed with, and the leaf that it serves."""

    started: datetime
    state: State = field(default_factory=State)
    serving: Pair | None = None
