"""What a read of the cluster brought: a value, that there is no such object, or why it could not be read."""

from dataclasses import dataclass
from typing import Generic, TypeVar

_Value_co = TypeVar("_Value_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Read(Generic[_Value_co]):
    """A value, or None: then `problem` says why it could not be read; it is empty if the object does not exist."""

    value: _Value_co | None = None
    problem: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether the object certainly does not exist."""
        return self.value is None and not self.problem
