"""The health of a shard: its breaker, its last fault, and how fast it works."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.workload import WorkerFault

RATE_SECONDS = 10.0

FAULT_SECONDS = 600.0
"""A fault that has not come again for this long is over, even if its shard has had no work since.
"""


@dataclass(slots=True)
class RateMeter:
    """Counts finished items, and their rate over the last ten seconds."""

    monotonic: Callable[[], float] = time.monotonic
    total: int = 0
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, items: int) -> None:
        """Add items that are finished now."""
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
    """The health of one shard; it outlives the shard's workers."""

    monotonic: Callable[[], float] = time.monotonic
    finished: RateMeter = field(default_factory=RateMeter)
    fault: WorkerFault | None = None
    """The last fault, which may be over."""
    has_fault: bool = False
    """True while nothing has been done without a failure since the last fault."""
    _cause: WorkerFault | None = None
    _fault_at: float = 0.0
    _backing_off_until: float = 0.0
    _breaker: tuple[BreakerSnapshot, float] | None = None

    def record_breaker(self, snapshot: BreakerSnapshot) -> None:
        """Record the state of its worker's circuit breaker."""
        self._breaker = snapshot, self.monotonic()

    @property
    def breaker(self) -> BreakerSnapshot | None:
        """The state of its last worker's circuit breaker, as of now."""
        if self._breaker is None:
            return None
        snapshot, recorded_at = self._breaker
        return snapshot.aged(self.monotonic() - recorded_at)

    def record_fault(self, fault: WorkerFault) -> None:
        """Record a fault, and back off for its `retry_after_seconds`."""
        if not (fault.is_consequence and self.has_fault):
            self._cause = fault
        self.fault = fault
        self.has_fault = True
        self._fault_at = self.monotonic()
        self._backing_off_until = self._fault_at + fault.retry_after_seconds

    def record_success(self) -> None:
        """Record that the fault is over."""
        self.has_fault = False

    @property
    def cause(self) -> WorkerFault | None:
        """The fault that lasts, and not its consequence, an open breaker; None if there is none."""
        is_over = not self.has_fault or self.monotonic() - self._fault_at > FAULT_SECONDS
        return None if is_over else self._cause

    @property
    def fault_age_seconds(self) -> float | None:
        """The seconds since the last fault; None if there was none."""
        return None if self.fault is None else self.monotonic() - self._fault_at

    @property
    def backing_off_seconds(self) -> float:
        """The seconds for which the shard is still assigned nothing."""
        return max(0.0, self._backing_off_until - self.monotonic())
