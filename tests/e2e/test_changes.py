"""Changes of ServiceAccounts: how long a change takes to apply, and that old values never come back."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.objects import OTHER_ROLE, ROLE, ROLE_ANNOTATION, pod, pods, role_of, service_account, service_accounts
from tests.e2e.waiting import NeverHappened

_TIMES = 25
_WITHIN = 5.0
# The number of pods to create after the first one with the new role: none of them may get the old role.
_AFTERWARDS = 3


@dataclass
class _Changing:
    """One ServiceAccount, and the role that its pods get."""

    cluster: Cluster
    namespace: str
    delays: list[float] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{service_accounts(self.namespace)}/app"

    def create(self, role: str | None) -> None:
        self.cluster.admin.create(service_accounts(self.namespace), service_account("app", role))

    def annotate(self, role: str | None) -> None:
        self.cluster.admin.patch(self.path, {"metadata": {"annotations": {ROLE_ANNOTATION: role}}})

    def replace(self, role: str) -> None:
        self.cluster.admin.delete(self.path)
        self.create(role)

    def role(self) -> str | None:
        return role_of(self.cluster.admin.create(pods(self.namespace), pod("app", "app"), dryRun="All"))

    def becomes(self, role: str | None, *, instead_of: str | None) -> None:
        """Creates pods until one has the new role, then some more; records the delay since the change."""
        changed = time.monotonic()
        while (seen := self.role()) != role:
            assert seen == instead_of, f"neither the old role nor the new one: {seen}"
            if time.monotonic() - changed > _WITHIN:
                raise NeverHappened(f"not within {_WITHIN:g} s: {role}, and still {seen}")
        # The delay includes the creation of that pod, so it is an upper limit.
        self.delays.append(time.monotonic() - changed)
        assert [self.role() for _ in range(_AFTERWARDS)] == [role] * _AFTERWARDS

    def line(self, what: str) -> str:
        percentiles = statistics.quantiles(self.delays, n=100, method="inclusive")
        return (
            f"{what}: until a pod shows it, its own request included, p50 {percentiles[49] * 1e3:.1f} ms,"
            f" p99 {percentiles[98] * 1e3:.1f} ms of {len(self.delays)}"
        )


@pytest.fixture
def changing(cluster: Cluster, injected: str) -> _Changing:
    return _Changing(cluster, injected)


def test_a_changed_role_applies_and_the_old_one_never_comes_back(
    changing: _Changing, measured: Callable[[str], None]
) -> None:
    changing.create(OTHER_ROLE)
    changing.becomes(OTHER_ROLE, instead_of=None)
    for _ in range(_TIMES):
        changing.annotate(ROLE)
        changing.becomes(ROLE, instead_of=OTHER_ROLE)
        changing.annotate(OTHER_ROLE)
        changing.becomes(OTHER_ROLE, instead_of=ROLE)
    measured(changing.line("role changed"))


def test_a_removed_role_is_gone_and_an_added_one_applies(changing: _Changing, measured: Callable[[str], None]) -> None:
    changing.create(ROLE)
    changing.becomes(ROLE, instead_of=None)
    for _ in range(_TIMES):
        changing.annotate(None)
        changing.becomes(None, instead_of=ROLE)
        changing.annotate(ROLE)
        changing.becomes(ROLE, instead_of=None)
    measured(changing.line("role removed and added"))


def test_a_service_account_deleted_and_created_again_has_only_its_new_role(
    changing: _Changing, measured: Callable[[str], None]
) -> None:
    changing.create(OTHER_ROLE)
    changing.becomes(OTHER_ROLE, instead_of=None)
    for _ in range(_TIMES):
        changing.replace(ROLE)
        changing.becomes(ROLE, instead_of=OTHER_ROLE)
        changing.replace(OTHER_ROLE)
        changing.becomes(OTHER_ROLE, instead_of=ROLE)
    measured(changing.line("deleted and created again"))
