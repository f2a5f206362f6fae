"""Stop asking an exchange that fails, and find out with few requests when it answers again.

    closed ── `failure_threshold` failures of the exchange in the window, or one refusal ──▶ open
    open ── `open_for` has passed ──▶ half-open
    half-open ── `success_threshold` probes answered ──▶ closed
    half-open ── one probe failed, and not only for its subject ──▶ open again

The end of a request, and what it says about the exchange:

    it returned, RequestRejected             success
    UnreadableRow                            nothing: the answer may be to another request
    Unavailable, Malformed                   failure, of the exchange or of the request's subject
    Refused                                  opens at once: a bad key tried again locks the account
    anything else (rate limited, cancelled)  nothing, and a probe's place is free again

Each request names its `Subject`. A symbol or an order that fails while others are answered is
suspended by itself, see `fault_isolation`. If no other was asked, the breaker waits for a liveness
check, in which its caller asks the exchange something else.

Guarantees:

- While closed, a failure counts until it leaves the window. A success does not reset the count.
- Half-open never has more probes in flight than successes are still missing.
- An outcome counts only in the state in which its request was sent. A request sent before the
  breaker opened says nothing about the exchange now.

The states are pybreaker's. We only report outcomes to it. If it ran the request, it would hold its
lock meanwhile and count a cancellation as a failure and an excluded error as a success.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import pybreaker
import structlog

from reconciler.errors import (
    BreakerOpen,
    Refused,
    RequestRejected,
    Suspended,
    Unavailable,
    UnreadableRow,
)
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.fault_isolation import EXCHANGE, FaultIsolation, FaultSource, Subject
from reconciler.resilience.pybreaker_adapter import STATES, StateChanges, WindowStorage
from reconciler.settings import BreakerPolicy

PROBE_WAIT_SECONDS = 1.0
"""The wait while other requests probe, about as long as a slow answer takes."""

log = structlog.get_logger(__name__)


class Breaker:
    """A circuit breaker for requests that are awaited. All calls come from one event loop's thread.

    `on_change(before, after)` is called after each complete change of state. An exception that it
    raises is logged and changes nothing.
    """

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[BreakerState, BreakerState], None] | None = None,
        inherited: BreakerSnapshot | None = None,
    ) -> None:
        self._on_change = on_change
        inherited = inherited or BreakerSnapshot(state=BreakerState.CLOSED)
        self._threshold = policy.failure_threshold
        self._faults = FaultIsolation(policy, clock=clock, inherited=inherited.failures)
        self._storage = WindowStorage(policy, clock, inherited, self._faults)
        self._changes = StateChanges()
        self._probes = 0
        self._cause: str | None = None
        self._needs_liveness_check = False
        self._machine = pybreaker.CircuitBreaker(
            fail_max=policy.failure_threshold,
            reset_timeout=policy.open_for.total_seconds(),
            success_threshold=policy.success_threshold,
            listeners=[self._changes],
            state_storage=self._storage,
            throw_new_error_on_trip=False,
        )

    @property
    def state(self) -> BreakerState:
        """The state now. Reading it makes an open breaker half-open once its time is over."""
        if self._storage.is_open and self._storage.open_seconds_left == 0:
            self._machine.half_open()
            self._faults.clear()
            self._announce()
        return STATES[self._storage.state]

    @property
    def retry_after_seconds(self) -> float:
        """The seconds until a request may be allowed; 0 if one is allowed now."""
        match self.state:
            case BreakerState.CLOSED:
                return 0.0
            case BreakerState.HALF_OPEN:
                return 0.0 if self._has_room_for_probe else PROBE_WAIT_SECONDS
            case BreakerState.OPEN:
                return self._storage.open_seconds_left
            case never:
                assert_never(never)

    def raise_if_open(self, subject: Subject = EXCHANGE) -> None:
        """Raise if a request about `subject` is not allowed now.

        Raises:
            BreakerOpen: no request is allowed, for `retry_after_seconds`.
            Suspended: only this subject is blocked.
        """
        seconds = self._faults.suspended_seconds(subject)
        if seconds > 0 and self.state is not BreakerState.OPEN:
            about = " ".join(reversed(subject))
            raise Suspended(
                f"no request about {about} for some time: the exchange fails for it, but answers"
                " for others",
                retry_after_seconds=seconds,
            )
        seconds = self.retry_after_seconds
        if seconds > 0:
            raise BreakerOpen(retry_after_seconds=seconds, cause=self._cause)

    def is_order_suspended(self, subject: Subject) -> bool:
        """Return True if only this order is suspended, not its whole symbol."""
        return self._faults.is_order_suspended(subject)

    @contextmanager
    def attempt(self, subject: Subject = EXCHANGE) -> Iterator[None]:
        """Allow one request, and record for the exchange or the subject how the block ends.

        Raises:
            BreakerOpen, Suspended: the request is not allowed, and the block does not run.
        """
        self.raise_if_open(subject)
        sent_in = self._changes.count
        self._probes += 1
        outcome = _Outcome.NEUTRAL
        try:
            yield
            outcome = _Outcome.SUCCESS
        except RequestRejected:
            outcome = _Outcome.SUCCESS
            raise
        except UnreadableRow:
            raise
        except Unavailable as error:
            outcome = _Outcome.FAILURE
            self._cause = str(error)
            raise
        except Refused as error:
            outcome = _Outcome.REFUSAL
            self._cause = str(error)
            raise
        finally:
            if sent_in == self._changes.count:
                self._record(outcome, subject)

    @contextmanager
    def liveness_check(self) -> Iterator["Liveness | None"]:
        """Yield a `Liveness` for the caller to fill in, or None if no check is due.

        In the block the caller asks the exchange something else, and sets `is_alive`. If it leaves
        `is_alive` as None, the check is due again after the next failure.
        """
        if not self._needs_liveness_check:
            yield None
            return
        self._needs_liveness_check = False
        liveness, checked_in = Liveness(), self._changes.count
        self._probes += 1  # The failed request counts as in flight until its source is known.
        try:
            yield liveness
        finally:
            if checked_in == self._changes.count:
                self._probes -= 1
        if checked_in == self._changes.count and liveness.is_alive is not None:
            self._record_liveness(is_alive=liveness.is_alive)

    def snapshot(self) -> BreakerSnapshot:
        """Return the state, for the worker that replaces this one and for the supervisor's gauges.

        Like `state`, this may make an open breaker half-open.
        """
        state, failures = self.state, self._faults.failure_ages
        return BreakerSnapshot(
            state=state,
            failure_ages_seconds=tuple(age for age, _ in failures),
            failure_subjects=_without_exchange(subject for _, subject in failures),
            retry_after_seconds=self._storage.open_seconds_left,
        )

    @property
    def _has_room_for_probe(self) -> bool:
        missing = self._machine.success_threshold - self._machine.success_counter
        return self._probes < missing

    def _record(self, outcome: "_Outcome", subject: Subject) -> None:
        self._probes -= 1
        match outcome:
            case _Outcome.SUCCESS:
                self._faults.record_answer(subject)
                self._machine.call(_succeed)
            case _Outcome.FAILURE:
                self._faults.record_failure(subject)
                self._attribute()
            case _Outcome.REFUSAL:
                self._machine.open()
            case _Outcome.NEUTRAL:
                pass
            case never:
                assert_never(never)
        self._announce()

    def _attribute(self) -> None:
        match self._faults.attribute(self._failures_to_open):
            case FaultSource.EXCHANGE:
                self._machine.open()
            case FaultSource.UNKNOWN:
                self._needs_liveness_check = True
            case FaultSource.NONE:
                pass
            case never:
                assert_never(never)

    def _record_liveness(self, *, is_alive: bool) -> None:
        if not is_alive:
            self._machine.open()
        else:
            self._faults.suspend_failing(self._failures_to_open)
            if self.state is BreakerState.HALF_OPEN:
                self._machine.call(_succeed)
        self._announce()

    @property
    def _failures_to_open(self) -> int:
        return self._threshold if self.state is BreakerState.CLOSED else 1

    def _announce(self) -> None:
        for before, after in self._changes.take():
            self._probes = 0
            if self._on_change is None:
                continue
            try:
                self._on_change(before, after)
            except Exception:
                log.exception("breaker.listener_failed", before=before, after=after)


@dataclass(slots=True)
class Liveness:
    """Result of a liveness check. `is_alive` is None if the check had no result."""

    is_alive: bool | None = None


class _Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    REFUSAL = "refusal"
    NEUTRAL = "neutral"


def _without_exchange(subjects: Iterable[Subject]) -> tuple[Subject, ...]:
    """Return `subjects`, or none if each of them is the exchange."""
    subjects = tuple(subjects)
    return subjects if any(subjects) else ()


def _succeed() -> None:
    pass
