"""Tell whether failures are the exchange's, or of what was asked about. Pure accounting.

    failures within the window        blamed
    --------------------------        ------
    fewer than the threshold          nobody
    of the exchange itself            the exchange
    while others were answered        those that failed again and again: they are suspended;
                                      the exchange where none did
    of three symbols, none answered   the exchange, as when it fails itself
    of one or two, none answered      unknown: ask the exchange something else, then `acquit` it
                                      or not

What is suspended is asked again after `open_for`, and suspended again by its first failure.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from reconciler.settings import BreakerPolicy

Subject = tuple[str, ...]
"""What a request is about, from the general to the particular: a symbol, or a symbol and an order.
"""

EXCHANGE: Subject = ()
"""The subject of a request that is about no order: what fails then is the exchange."""

PERSISTENT_FAILURES = 3
"""Failures without an answer in between that no retry has passed over: no hiccup."""

MANY_SYMBOLS = 3
"""When this number of symbols fails and none is answered, it is the exchange."""

_REMEMBERED_PERIODS = 10


class FaultSource(StrEnum):
    """Whose fault the failures are."""

    NOBODY = "nobody"
    EXCHANGE = "exchange"
    UNKNOWN = "unknown"


class FaultIsolation:
    """The failures of the window by subject, who was answered meanwhile, and who is suspended."""

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        inherited: Iterable[tuple[float, Subject]] = (),
    ) -> None:
        """`inherited` is how long ago each earlier failure was, and of what."""
        now = clock()
        self._clock = clock
        self._window_seconds = policy.window.total_seconds()
        self._suspension_seconds = policy.open_for.total_seconds()
        self._failures = deque((now - age, subject) for age, subject in inherited)
        self._answered: dict[Subject, float] = {}
        self._suspended: dict[Subject, float] = {}

    @property
    def count(self) -> int:
        """How many failures of the window may be the exchange's."""
        self._forget_old()
        return len(self._failures)

    @property
    def ages(self) -> tuple[tuple[float, Subject], ...]:
        """How long ago each of those was, and of what; the oldest first."""
        self._forget_old()
        now = self._clock()
        return tuple((now - failed_at, subject) for failed_at, subject in self._failures)

    def clear(self) -> None:
        """Forget who failed and who was answered; who is suspended stays so."""
        self._failures.clear()
        self._answered.clear()

    def note_answer(self, subject: Subject) -> None:
        """Record that a request was answered."""
        if self._failures:
            self._answered[subject] = self._clock()
        for unit in _units_over(subject):
            self._suspended.pop(unit, None)

    def note_failure(self, subject: Subject) -> None:
        """Record that a request failed; what was suspended before is so again."""
        known = [unit for unit in _units_over(subject) if unit in self._suspended]
        if known:
            self._suspend(known)
        else:
            self._failures.append((self._clock(), subject))

    def judge(self, threshold: int) -> FaultSource:
        """Say whose fault the failures are, and suspend those whose it is."""
        if self.count < threshold:
            return FaultSource.NOBODY
        failing = self._failing
        if EXCHANGE in failing:
            return FaultSource.EXCHANGE
        if self._has_witness(failing):
            self._suspend(self._persistent(min(threshold, PERSISTENT_FAILURES)))
            return FaultSource.NOBODY if self.count < threshold else FaultSource.EXCHANGE
        symbols = {subject[:1] for subject in (*failing, *self._suspended_now())}
        return FaultSource.EXCHANGE if len(symbols) >= MANY_SYMBOLS else FaultSource.UNKNOWN

    def acquit(self, threshold: int) -> None:
        """Suspend who failed: the exchange has answered something else meanwhile."""
        units = self._persistent(min(threshold, PERSISTENT_FAILURES))
        self._suspend(units or self._worst())

    def suspended_seconds(self, subject: Subject) -> float:
        """How much longer nothing is to be asked about this."""
        now = self._clock()
        ends = (self._suspended.get(unit, now) for unit in _units_over(subject))
        return max((end - now for end in ends), default=0.0)

    def is_alone(self, subject: Subject) -> bool:
        """Whether a single order is suspended by itself, and not its whole symbol."""
        return len(subject) > 1 and self._suspended.get(subject, 0.0) > self._clock()

    @property
    def _failing(self) -> set[Subject]:
        return {subject for _, subject in self._failures}

    def _has_witness(self, failing: set[Subject]) -> bool:
        """Whether somebody who has not failed was answered since the first failure."""
        since = self._failures[0][0]
        return any(
            answered_at >= since and subject not in failing
            for subject, answered_at in self._answered.items()
        )

    def _persistent(self, failures: int) -> list[Subject]:
        return [unit for unit in self._units() if self._streak(unit) >= failures]

    def _worst(self) -> list[Subject]:
        return [max(self._units(), key=self._streak)] if self._failures else []

    def _units(self) -> set[Subject]:
        """Return what failed: an order; its symbol, if two requests about it did and none not."""
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

    def _streak(self, unit: Subject) -> int:
        """Count its failures since it was last answered."""
        answers = (at for subject, at in self._answered.items() if _covers(unit, subject))
        since = max(answers, default=0.0)
        return sum(
            failed_at >= since and _covers(unit, subject) for failed_at, subject in self._failures
        )

    def _suspend(self, units: Iterable[Subject]) -> None:
        now = self._clock()
        for unit in units:
            self._suspended[unit] = now + self._suspension_seconds
            self._failures = deque(
                (failed_at, subject)
                for failed_at, subject in self._failures
                if not _covers(unit, subject)
            )

    def _suspended_now(self) -> list[Subject]:
        now = self._clock()
        return [unit for unit, end in self._suspended.items() if end > now]

    def _forget_old(self) -> None:
        now = self._clock()
        while self._failures and now - self._failures[0][0] >= self._window_seconds:
            self._failures.popleft()
        since = self._failures[0][0] if self._failures else now
        if any(answered_at < since for answered_at in self._answered.values()):
            self._answered = {who: at for who, at in self._answered.items() if at >= since}
        long_ago = now - _REMEMBERED_PERIODS * self._suspension_seconds
        for unit in [unit for unit, end in self._suspended.items() if end < long_ago]:
            del self._suspended[unit]


def _units_over(subject: Subject) -> Iterator[Subject]:
    """Return everything that may be suspended and has this subject in it."""
    return (subject[:length] for length in range(1, len(subject) + 1))


def _covers(unit: Subject, subject: Subject) -> bool:
    return subject[: len(unit)] == unit
