"""A source of answers: it may be away, and a slow one is asked less often."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from reconciler.errors import NoSupervisor, ReconcilerError

T = TypeVar("T")

MOST_BUSY_SHARE = 0.1
"""The share of the time in which a source may be busy with our question."""

LONGEST_REST_SECONDS = 20.0
"""So that somebody on call sees a change within half a minute, however busy the source is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LastAnswer(Generic[T]):
    """The last answer of a source: None before the first.

    Attributes:
        at: When it came, by the monotonic clock.
        fault: Why there is no newer one; None if it is the newest.
    """

    value: T | None = None
    at: float = 0.0
    fault: str | None = None

    @property
    def age_seconds(self) -> float:
        """How old the answer is."""
        return time.monotonic() - self.at


class Source(Generic[T]):
    """A source that is asked less often the longer it works on an answer."""

    def __init__(
        self,
        ask: Callable[[], T],
        seconds_to_rest: Callable[[T], float] = lambda _: 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to ask.

        Args:
            ask: Returns an answer, or raises a `ReconcilerError`.
            seconds_to_rest: How long the source rests at least after an answer.
            monotonic: The clock.
        """
        self._ask = ask
        self._seconds_to_rest = seconds_to_rest
        self._monotonic = monotonic
        self._due_at = 0.0

    def next(self, last: LastAnswer[T]) -> LastAnswer[T]:
        """Return a newer answer, or the last one while the source rests."""
        started = self._monotonic()
        if started < self._due_at:
            return last
        answer = next_answer(last, self._ask)
        if answer.value is None or answer.fault is not None:
            self._due_at = 0.0  # A fault is not work: what is away is asked as often as ever.
        else:
            took = self._monotonic() - started
            share = min(took / MOST_BUSY_SHARE, took + LONGEST_REST_SECONDS)
            self._due_at = started + max(share, self._seconds_to_rest(answer.value))
        return answer


def next_answer(last: LastAnswer[T], ask: Callable[[], T]) -> LastAnswer[T]:
    """Ask once; return the answer, or the last one with the reason why there is no newer one."""
    try:
        return LastAnswer(value=ask(), at=time.monotonic())
    except NoSupervisor as error:
        return replace(last, fault=error.reason)
    except ReconcilerError as error:
        return replace(last, fault=str(error))
