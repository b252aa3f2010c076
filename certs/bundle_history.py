"""Since when the published caBundle has held each CA, as one replica saw it. Pure; every time is an aware datetime."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from certs.issue import Pair
from certs.pem import is_issued_by
from certs.renewal import is_current

# We look every minute: after a longer silence we cannot say that a CA was there all the time.
LONGEST_SILENCE: Final = timedelta(minutes=2)
# A change reaches the API servers by a watch, within milliseconds: how long to wait before calls may come.
LEARNED: Final = timedelta(seconds=2)


@dataclass(frozen=True)
class BundleHistory:
    """The CAs in the published caBundle, each with the time since when it has been there without a break."""

    since: Mapping[bytes, datetime] = field(default_factory=dict)
    at: datetime | None = None

    def observed(self, published: Iterable[bytes], now: datetime) -> "BundleHistory":
        """After another look. `published`: certificates in `certs.pem.canonical` form.

        Waits begin anew after a long silence, and when the clock was put back.
        """
        unbroken = self.at is not None and self.at <= now <= self.at + LONGEST_SILENCE
        known = self.since if unbroken else {}
        return BundleHistory({ca: known.get(ca, now) for ca in published}, now)

    def settled_at(self, ca: bytes, settle: timedelta) -> datetime | None:
        """When a CA will have been published for `settle`; None where it is not published."""
        since = self.since.get(ca)
        return None if since is None else since + settle

    def is_settled(self, ca: bytes, settle: timedelta, now: datetime) -> bool:
        """Whether a CA has been published for `settle`."""
        settled = self.settled_at(ca, settle)
        return settled is not None and settled <= now

    def issuer_of(self, leaf: Pair) -> bytes | None:
        """The published CA that signed a leaf."""
        return next((ca for ca in self.since if is_issued_by(leaf.certificate, ca)), None)

    def current(self, now: datetime) -> frozenset[bytes]:
        """The published CAs that are valid now."""
        return frozenset(ca for ca in self.since if is_current(ca, now))
