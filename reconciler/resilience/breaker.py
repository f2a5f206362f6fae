"""Stop asking an exchange that fails, and find out with few requests when it answers again.

    closed ── `failure_threshold` failures of the exchange in the window, or one refusal ──▶ open
    open ── `open_for` has passed ──▶ half-open
    half-open ── `success_threshold` probes answered ──▶ closed
    half-open ── one probe failed, and not only because of what it was about ──▶ open again

What ends a request, and what it says about the exchange:

    it returned, RequestRejected             success
    UnreadableRow                            nothing: it answers, and it may be another's answer
    Unavailable, Malformed                   failure, of the exchange or of what it was about
    Refused                                  opens at once: a bad key tried again locks the account
    anything else (rate limited, cancelled)  nothing, and a probe's place is free again

Requests say what they are about (`Subject`). A symbol or an order that fails while others are
answered is suspended by itself, see `suspects`; where nobody else was asked, the breaker is in
doubt until the sender of the requests has asked the exchange something else.

Guarantees:

- Only time forgives a failure of the exchange while closed: successes in between do not.
- Half-open never has more probes on their way than successes are still missing.
- An outcome counts only in the state in which its request was sent. What was sent before the
  breaker opened says nothing about the exchange of now.

The states are pybreaker's. It is only ever handed outcomes, never the request itself: it would hold
its lock for as long as the request runs, take a cancellation for a failure, and an error that it is
told to exclude for a success.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from reconciler.settings import BreakerPolicy

PROBE_WAIT_SECONDS = 1.0
"""How long to stand back while others probe: about as long as a slow answer takes."""

log = structlog.get_logger(__name__)


_STATES = {
    pybreaker.STATE_CLOSED: BreakerState.CLOSED,
    pybreaker.STATE_HALF_OPEN: BreakerState.HALF_OPEN,
    pybreaker.STATE_OPEN: BreakerState.OPEN,
}
_WORDS = {state: word for word, state in _STATES.items()}


class Breaker:
    """A circuit breaker for requests that are awaited. For one event loop's thread.

    `on_change(before, after)` is called after each change of state, when it is complete. What it
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
        self._suspects = FaultIsolation(policy, clock=clock, inherited=inherited.failures)
        self._storage = _Storage(policy, clock, inherited, self._suspects)
        self._changes = _Changes()
        self._probes = 0
        self._cause: str | None = None
        self._is_in_doubt = False
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
        """The state as of now: an open breaker whose time is over is half-open."""
        if self._storage.is_open and self._storage.open_seconds_left == 0:
            self._machine.half_open()
            self._suspects.clear()
            self._announce()
        return _STATES[self._storage.state]

    @property
    def retry_after_seconds(self) -> float:
        """Seconds until it makes sense to ask again; 0 when a request would be let through now."""
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
        """Do nothing if a request about `subject` would be let through now.

        Raises:
            BreakerOpen: none would, for `retry_after_seconds`.
            Suspended: others would.
        """
        seconds = self._suspects.suspended_seconds(subject)
        if seconds > 0 and self.state is not BreakerState.OPEN:
            about = " ".join(reversed(subject))
            raise Suspended(
                f"not asked about {about} for {seconds:.0f} s more: the exchange fails about it,"
                " and answers others",
                retry_after_seconds=seconds,
            )
        seconds = self.retry_after_seconds
        if seconds > 0:
            raise BreakerOpen(retry_after_seconds=seconds, cause=self._cause)

    def is_suspended_alone(self, subject: Subject) -> bool:
        """Whether it is a single order about which the exchange fails, and not its symbol."""
        return self._suspects.is_alone(subject)

    @contextmanager
    def attempt(self, subject: Subject = EXCHANGE) -> Iterator[None]:
        """Admit one request, and judge the exchange or the subject by how the block ends.

        Raises:
            BreakerOpen, Suspended: it is not admitted; the block does not run.
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
    def settling_doubt(self) -> Iterator["Doubt | None"]:
        """Yield a doubt to settle: does the exchange answer at all? None: there is none.

        In the block the exchange is asked something else. It counts as alive if `is_alive` was set
        to true; if it was left as it is, the next failure raises the doubt again.
        """
        if not self._is_in_doubt:
            yield None
            return
        self._is_in_doubt = False
        doubt, raised_in = Doubt(), self._changes.count
        self._probes += 1  # The failure keeps its place until it is known whose it was.
        try:
            yield doubt
        finally:
            if raised_in == self._changes.count:
                self._probes -= 1
        if raised_in == self._changes.count and doubt.is_alive is not None:
            self._settle(is_alive=doubt.is_alive)

    def snapshot(self) -> BreakerSnapshot:
        """Take down what a replacement needs to inherit."""
        state, failures = self.state, self._suspects.ages
        return BreakerSnapshot(
            state=state,
            failure_ages_seconds=tuple(age for age, _ in failures),
            failure_subjects=_left_out_if_none(subject for _, subject in failures),
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
                self._suspects.note_answer(subject)
                self._machine.call(_succeed)
            case _Outcome.FAILURE:
                self._suspects.note_failure(subject)
                self._judge()
            case _Outcome.REFUSAL:
                self._machine.open()
            case _Outcome.NEUTRAL:
                pass
            case never:
                assert_never(never)
        self._announce()

    def _judge(self) -> None:
        match self._suspects.judge(self._failures_to_open):
            case FaultSource.EXCHANGE:
                self._machine.open()
            case FaultSource.UNKNOWN:
                self._is_in_doubt = True
            case FaultSource.NOBODY:
                pass
            case never:
                assert_never(never)

    def _settle(self, *, is_alive: bool) -> None:
        if not is_alive:
            self._machine.open()
        else:
            self._suspects.acquit(self._failures_to_open)
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
class Doubt:
    """Whether the exchange answers anything at all; None: that could not be found out."""

    is_alive: bool | None = None


class _Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    REFUSAL = "refusal"
    NEUTRAL = "neutral"


def _left_out_if_none(subjects: Iterable[Subject]) -> tuple[Subject, ...]:
    subjects = tuple(subjects)
    return subjects if any(subjects) else ()


def _succeed() -> None:
    pass


class _Changes(pybreaker.CircuitBreakerListener):
    """Note each change, to be told when it is complete.

    pybreaker tells of one while it is halfway through it: a listener that raised there, or looked
    at the state, would keep the breaker from opening.
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
        before = new_state if old_state is None else old_state
        self.count += 1
        self._pending.append((_STATES[before.name], _STATES[new_state.name]))

    def take(self) -> list[tuple[BreakerState, BreakerState]]:
        taken, self._pending = self._pending, []
        return taken


class _Storage(pybreaker.CircuitBreakerStorage):
    """pybreaker's memory, by the monotonic clock; `FaultIsolation` remembers the failures."""

    def __init__(
        self,
        policy: BreakerPolicy,
        clock: Callable[[], float],
        inherited: BreakerSnapshot,
        suspects: FaultIsolation,
    ) -> None:
        super().__init__("sliding window")
        now = clock()
        self._clock = clock
        self._suspects = suspects
        self._open_seconds = policy.open_for.total_seconds()
        self._state = _WORDS[inherited.state]
        self._successes = 0
        self._reopens_at = now + min(inherited.retry_after_seconds, self._open_seconds)

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state = state

    @property
    def is_open(self) -> bool:
        return self._state == pybreaker.STATE_OPEN

    @property
    def open_seconds_left(self) -> float:
        return max(0.0, self._reopens_at - self._clock()) if self.is_open else 0.0

    @property
    def counter(self) -> int:
        return self._suspects.count

    def increment_counter(self) -> None:
        """Do nothing: who failed has been noted, with what was asked."""

    def reset_counter(self) -> None:
        """Forget the failures, unless closed: pybreaker asks for this at every single success."""
        if self._state != pybreaker.STATE_CLOSED:
            self._suspects.clear()

    @property
    def success_counter(self) -> int:
        return self._successes

    def increment_success_counter(self) -> None:
        self._successes += 1

    def reset_success_counter(self) -> None:
        self._successes = 0

    @property
    def opened_at(self) -> datetime:
        """The wall clock's time that lies as far back as the monotonic clock says."""
        open_seconds = self._open_seconds - self.open_seconds_left
        return datetime.now(UTC) - timedelta(seconds=open_seconds)

    @opened_at.setter
    def opened_at(self, now: datetime) -> None:  # noqa: ARG002 - the wall clock may be set back
        self._reopens_at = self._clock() + self._open_seconds
