"""Tell whether failures are the exchange's own, or those of one symbol or one order. Does no I/O.

    failures within the window        attributed to
    --------------------------        -------------
    fewer than the threshold          nothing yet
    of the exchange itself            the exchange
    while others were answered        the subjects that failed repeatedly: they are suspended;
                                      the exchange if there are none
    of three symbols, none answered   the exchange, as when it fails itself
    of one or two, none answered      unknown: check that the exchange is alive, and if so,
                                      call `suspend_failing`

A suspended subject is asked about again after `open_for`. Its first failure suspends it again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from reconciler.settings import BreakerPolicy

Subject = tuple[str, ...]
"""The symbol that a request is about, or the symbol and the order."""

EXCHANGE: Subject = ()
"""The subject of a request about no order. If it fails, the exchange fails."""

PERSISTENT_FAILURES = 3
"""A subject that fails this often without an answer in between is at fault."""

MANY_SYMBOLS = 3
"""If this many symbols fail and none is answered, the exchange is at fault."""

_REMEMBERED_PERIODS = 10


class FaultSource(StrEnum):
    """The source to which the failures are attributed."""

    NONE = "none"
    EXCHANGE = "exchange"
    UNKNOWN = "unknown"


class FaultIsolation:
    """The failures of the window by subject, the answers since, and the suspended subjects."""

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        inherited: Iterable[tuple[float, Subject]] = (),
    ) -> None:
        """`inherited` are earlier failures: the age in seconds and the subject of each."""
        now = clock()
        self._clock = clock
        self._window_seconds = policy.window.total_seconds()
        self._suspension_seconds = policy.open_for.total_seconds()
        self._failures = deque((now - age, subject) for age, subject in inherited)
        self._answered: dict[Subject, float] = {}
        self._suspended: dict[Subject, float] = {}

    @property
    def failure_count(self) -> int:
        """The number of failures in the window, without those of suspended subjects."""
        self._forget_old()
        return len(self._failures)

    @property
    def failure_ages(self) -> tuple[tuple[float, Subject], ...]:
        """The age in seconds and the subject of each counted failure, the oldest first."""
        self._forget_old()
        now = self._clock()
        return tuple((now - failed_at, subject) for failed_at, subject in self._failures)

    def clear(self) -> None:
        """Forget failures and answers. Suspended subjects stay suspended."""
        self._failures.clear()
        self._answered.clear()

    def record_answer(self, subject: Subject) -> None:
        """Record that a request was answered."""
        if self._failures:
            self._answered[subject] = self._clock()
        for scope in _scopes_of(subject):
            self._suspended.pop(scope, None)

    def record_failure(self, subject: Subject) -> None:
        """Record that a request failed. A subject that was suspended before is suspended again."""
        known = [scope for scope in _scopes_of(subject) if scope in self._suspended]
        if known:
            self._suspend(known)
        else:
            self._failures.append((self._clock(), subject))

    def attribute(self, threshold: int) -> FaultSource:
        """Return the source of the failures, and suspend the subjects that are at fault."""
        if self.failure_count < threshold:
            return FaultSource.NONE
        failing = self._failing
        if EXCHANGE in failing:
            return FaultSource.EXCHANGE
        if self._was_another_answered(failing):
            self._suspend(self._persistent(min(threshold, PERSISTENT_FAILURES)))
            return FaultSource.NONE if self.failure_count < threshold else FaultSource.EXCHANGE
        symbols = {subject[:1] for subject in (*failing, *self._suspended_now())}
        return FaultSource.EXCHANGE if len(symbols) >= MANY_SYMBOLS else FaultSource.UNKNOWN

    def suspend_failing(self, threshold: int) -> None:
        """Suspend the failing subjects, because the exchange has answered something else since."""
        persistent = self._persistent(min(threshold, PERSISTENT_FAILURES))
        self._suspend(persistent or self._most_failing())

    def suspended_seconds(self, subject: Subject) -> float:
        """Return the seconds for which no request about `subject` is allowed."""
        now = self._clock()
        ends = (self._suspended.get(scope, now) for scope in _scopes_of(subject))
        return max((end - now for end in ends), default=0.0)

    def is_order_suspended(self, subject: Subject) -> bool:
        """Return True if only this order is suspended, not its whole symbol."""
        return len(subject) > 1 and self._suspended.get(subject, 0.0) > self._clock()

    @property
    def _failing(self) -> set[Subject]:
        return {subject for _, subject in self._failures}

    def _was_another_answered(self, failing: set[Subject]) -> bool:
        """Return True if a subject without failures was answered since the first failure."""
        since = self._failures[0][0]
        return any(
            answered_at >= since and subject not in failing
            for subject, answered_at in self._answered.items()
        )

    def _persistent(self, failures: int) -> list[Subject]:
        return [
            scope
            for scope in self._failing_scopes()
            if self._failures_since_answer(scope) >= failures
        ]

    def _most_failing(self) -> list[Subject]:
        if not self._failures:
            return []
        return [max(self._failing_scopes(), key=self._failures_since_answer)]

    def _failing_scopes(self) -> set[Subject]:
        """Return each failing order, or its symbol if two of it failed and none was answered."""
        failing = self._failing - {EXCHANGE}
        since = self._failures[0][0] if self._failures else 0.0
        answered = {
            subject[:1] for subject, answered_at in self._answered.items() if answered_at >= since
        }
        return {
            subject[:1]
            if subject[:1] not in answered
            and sum(other[:1] == subject[:1] for other in failing) > 1
            else subject
            for subject in failing
        }

    def _failures_since_answer(self, scope: Subject) -> int:
        answers = (at for subject, at in self._answered.items() if _includes(scope, subject))
        since = max(answers, default=0.0)
        return sum(
            failed_at >= since and _includes(scope, subject)
            for failed_at, subject in self._failures
        )

    def _suspend(self, scopes: Iterable[Subject]) -> None:
        now = self._clock()
        for scope in scopes:
            self._suspended[scope] = now + self._suspension_seconds
            self._failures = deque(
                (failed_at, subject)
                for failed_at, subject in self._failures
                if not _includes(scope, subject)
            )

    def _suspended_now(self) -> list[Subject]:
        now = self._clock()
        return [scope for scope, end in self._suspended.items() if end > now]

    def _forget_old(self) -> None:
        now = self._clock()
        while self._failures and now - self._failures[0][0] >= self._window_seconds:
            self._failures.popleft()
        since = self._failures[0][0] if self._failures else now
        if any(answered_at < since for answered_at in self._answered.values()):
            self._answered = {
                subject: answered_at
                for subject, answered_at in self._answered.items()
                if answered_at >= since
            }
        oldest_kept = now - _REMEMBERED_PERIODS * self._suspension_seconds
        for scope in [scope for scope, end in self._suspended.items() if end < oldest_kept]:
            del self._suspended[scope]


def _scopes_of(subject: Subject) -> Iterator[Subject]:
    """Return the scopes that include `subject`: its symbol, and the subject itself."""
    return (subject[:length] for length in range(1, len(subject) + 1))


def _includes(scope: Subject, subject: Subject) -> bool:
    return subject[: len(scope)] == scope
