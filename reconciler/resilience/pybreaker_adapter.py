"""The replaceable parts of pybreaker: the storage of its state, and a listener."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pybreaker

from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.fault_isolation import FaultIsolation
from reconciler.settings import BreakerPolicy

STATES = {
    pybreaker.STATE_CLOSED: BreakerState.CLOSED,
    pybreaker.STATE_HALF_OPEN: BreakerState.HALF_OPEN,
    pybreaker.STATE_OPEN: BreakerState.OPEN,
}
"""Our state for each of pybreaker's."""

_PYBREAKER_STATES = {ours: theirs for theirs, ours in STATES.items()}


class StateChanges(pybreaker.CircuitBreakerListener):
    """Record each change of state, to be announced when it is complete.

    pybreaker calls its listeners halfway through a change: one that raised there, or read the
    state, would keep the breaker from opening.
    """

    def __init__(self) -> None:
        self.count = 0
        self._pending: list[tuple[BreakerState, BreakerState]] = []

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,  # noqa: ARG002 - pybreaker's signature
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        """Record a change. Called by pybreaker."""
        before = new_state if old_state is None else old_state
        self.count += 1
        self._pending.append((STATES[before.name], STATES[new_state.name]))

    def take(self) -> list[tuple[BreakerState, BreakerState]]:
        """Return the changes since the last call, each as the state before and after."""
        taken, self._pending = self._pending, []
        return taken


class WindowStorage(pybreaker.CircuitBreakerStorage):
    """Store pybreaker's state by the monotonic clock. `FaultIsolation` stores the failures."""

    def __init__(
        self,
        policy: BreakerPolicy,
        clock: Callable[[], float],
        inherited: BreakerSnapshot,
        faults: FaultIsolation,
    ) -> None:
        super().__init__("sliding window")
        now = clock()
        self._clock = clock
        self._faults = faults
        self._open_seconds = policy.open_for.total_seconds()
        self._state = _PYBREAKER_STATES[inherited.state]
        self._successes = 0
        self._half_opens_at = now + min(inherited.retry_after_seconds, self._open_seconds)

    @property
    def state(self) -> str:
        """The state by pybreaker's name."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state = state

    @property
    def is_open(self) -> bool:
        """True while the state is open, even after its time is over."""
        return self._state == pybreaker.STATE_OPEN

    @property
    def open_seconds_left(self) -> float:
        """The seconds for which the breaker stays open; 0 unless open."""
        return max(0.0, self._half_opens_at - self._clock()) if self.is_open else 0.0

    @property
    def counter(self) -> int:
        """The failures in the window."""
        return self._faults.failure_count

    def increment_counter(self) -> None:
        """Do nothing, because the failure is already recorded with its subject."""

    def reset_counter(self) -> None:
        """Forget the failures, unless closed, where pybreaker asks for this at every success."""
        if self._state != pybreaker.STATE_CLOSED:
            self._faults.clear()

    @property
    def success_counter(self) -> int:
        """The probes answered while half-open."""
        return self._successes

    def increment_success_counter(self) -> None:
        """Count a probe that was answered."""
        self._successes += 1

    def reset_success_counter(self) -> None:
        """Forget the probes that were answered."""
        self._successes = 0

    @property
    def opened_at(self) -> datetime:
        """The wall-clock time at which the breaker opened, computed from the monotonic clock."""
        open_seconds = self._open_seconds - self.open_seconds_left
        return datetime.now(UTC) - timedelta(seconds=open_seconds)

    @opened_at.setter
    def opened_at(self, now: datetime) -> None:  # noqa: ARG002 - the wall clock may be set back
        self._half_opens_at = self._clock() + self._open_seconds
