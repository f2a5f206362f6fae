"""The states of a breaker, and the snapshot that a worker's replacement inherits."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain, repeat

from reconciler.resilience.fault_isolation import EXCHANGE, Subject


class BreakerState(StrEnum):
    """Closed allows all requests, half-open a few probes, open none."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"

    @property
    def gauge(self) -> int:
        """The state as a number; a worse state has a higher one."""
        return _GAUGES[self]


_GAUGES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerSnapshot:
    """A breaker's state for another process, with ages instead of times because clocks differ.

    Attributes:
        failure_ages_seconds: The age of each failure within the window, the oldest first.
        failure_subjects: The subject of each failure; a missing one is the exchange.
        retry_after_seconds: The seconds for which the breaker stays open; 0 unless open.
    """

    state: BreakerState
    failure_ages_seconds: tuple[float, ...] = ()
    failure_subjects: tuple[Subject, ...] = ()
    retry_after_seconds: float = 0.0

    @property
    def failures(self) -> Iterator[tuple[float, Subject]]:
        """The age and the subject of each failure."""
        subjects = chain(self.failure_subjects, repeat(EXCHANGE))
        return zip(self.failure_ages_seconds, subjects, strict=False)

    def aged(self, seconds: float) -> "BreakerSnapshot":
        """Return the snapshot as it is `seconds` later."""
        return replace(
            self,
            failure_ages_seconds=tuple(age + seconds for age in self.failure_ages_seconds),
            retry_after_seconds=max(0.0, self.retry_after_seconds - seconds),
        )
