"""How each shard stands: its breaker, what is in its way, and how fast it works."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.workload import WorkerFault

RATE_SECONDS = 10.0


@dataclass(slots=True)
class RateMeter:
    """Counts what is finished, and how fast of late."""

    monotonic: Callable[[], float] = time.monotonic
    total: int = 0
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, items: int) -> None:
        """Count items that are finished now."""
        self.total += items
        self._recent.append((self.monotonic(), items))
        self._forget()

    @property
    def per_second(self) -> float:
        """Items a second over the last ten seconds."""
        self._forget()
        return sum(items for _, items in self._recent) / RATE_SECONDS

    def _forget(self) -> None:
        while self._recent and self._recent[0][0] < self.monotonic() - RATE_SECONDS:
            self._recent.popleft()


@dataclass(slots=True)
class ShardHealth:
    """One shard's. It outlives the shard's workers."""

    monotonic: Callable[[], float] = time.monotonic
    finished: RateMeter = field(default_factory=RateMeter)
    fault: WorkerFault | None = None
    """The last thing that stood in its way."""
    has_fault: bool = False
    """Whether it still does: nothing has gone well since."""
    _trouble_at: float = 0.0
    _held_back_until: float = 0.0
    _breaker: tuple[BreakerSnapshot, float] | None = None

    def record_breaker(self, snapshot: BreakerSnapshot) -> None:
        """Take note of where its worker's circuit breaker stands."""
        self._breaker = snapshot, self.monotonic()

    @property
    def breaker(self) -> BreakerSnapshot | None:
        """Where the circuit breaker of its last worker stands now."""
        if self._breaker is None:
            return None
        snapshot, heard_at = self._breaker
        return snapshot.aged(self.monotonic() - heard_at)

    def record_fault(self, fault: WorkerFault) -> None:
        """Take note of what stands in its way; hand it nothing until that is worth another try."""
        self.fault = fault
        self.has_fault = True
        self._trouble_at = self.monotonic()
        self._held_back_until = self._trouble_at + fault.retry_after_seconds

    def record_success(self) -> None:
        """Take note that nothing stands in its way any more."""
        self.has_fault = False

    @property
    def fault_age_seconds(self) -> float | None:
        """How long ago the last trouble was; None: there was none."""
        return None if self.fault is None else self.monotonic() - self._trouble_at

    @property
    def backing_off_seconds(self) -> float:
        """How much longer it is handed nothing."""
        return max(0.0, self._held_back_until - self.monotonic())
