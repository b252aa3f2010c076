"""How long the published caBundle has held each CA, as one replica observed it. Pure; all times are aware datetimes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from certs.issue import Pair
from certs.pem import is_issued_by
from certs.renewal import is_current

# We read the caBundle every minute: after a longer gap we cannot know that a CA was in it all the time.
LONGEST_SILENCE: Final = timedelta(minutes=2)
# The API servers learn of a new caBundle through a watch, within milliseconds: after this wait, assume they know it.
LEARNED: Final = timedelta(seconds=2)


@dataclass(frozen=True)
class BundleHistory:
    """The CAs in the published caBundle, each with the time since when it has been there without a gap."""

    since: Mapping[bytes, datetime] = field(default_factory=dict)
    at: datetime | None = None

    def observed(self, published: Iterable[bytes], now: datetime) -> "BundleHistory":
        """Returns the history after one more observation. `published` has certificates in `certs.pem.canonical` form.

        Every CA counts as new after a gap of more than LONGEST_SILENCE, or if the clock was set back.
        """
        unbroken = self.at is not None and self.at <= now <= self.at + LONGEST_SILENCE
        known = self.since if unbroken else {}
        return BundleHistory({ca: known.get(ca, now) for ca in published}, now)

    def settled_at(self, ca: bytes, settle: timedelta) -> datetime | None:
        """Returns when a CA will have been published for `settle`, or None if it is not published."""
        since = self.since.get(ca)
        return None if since is None else since + settle

    def is_settled(self, ca: bytes, settle: timedelta, now: datetime) -> bool:
        """Whether a CA has been published for `settle`."""
        settled = self.settled_at(ca, settle)
        return settled is not None and settled <= now

    def issuer_of(self, leaf: Pair) -> bytes | None:
        """Returns the published CA that signed a leaf, or None."""
        return next((ca for ca in self.since if is_issued_by(leaf.certificate, ca)), None)

    def current(self, now: datetime) -> frozenset[bytes]:
        """Returns the published CAs that are valid now."""
        return frozenset(ca for ca in self.since if is_current(ca, now))
