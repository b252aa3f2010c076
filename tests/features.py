"""What newer Kubernetes has and the oldest that we support has not: tests that need it are left out on older ones."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class _Since:
    version: tuple[int, int]
    what: str


class Feature(Enum):
    """What a test may need of Kubernetes: `@pytest.mark.needs(Feature.X)`. `since`: where every cluster has it."""

    ADMISSION_POLICIES = _Since((1, 30), "there are ValidatingAdmissionPolicies")
    MANY_ISSUERS = _Since((1, 22), "an API server accepts several --service-account-issuer")
    MATCH_CONDITIONS = _Since((1, 28), "webhook configurations have matchConditions")
    POD_SECURITY = _Since((1, 23), "the API server enforces Pod Security Standards")

    @property
    def since(self) -> tuple[int, int]:
        """The first version that has it without being asked for it."""
        return self.value.version

    @property
    def what(self) -> str:
        """What it is, for the summary of a run."""
        return self.value.what
