"""How long rows were wrong: from the order's last event at the exchange to the commit."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from reconciler.domain.report import Answer, Report

LONGEST = timedelta(days=366)
"""A longer time is no time of an event: a clock that was not set, or 0."""


def times_to_correct_ms(answers: Iterable[Answer], committed_at: datetime) -> Iterator[float]:
    """Return the time for each answer that says when its order last changed, in milliseconds.

    `committed_at` is by the database's clock, and the event by the exchange's: below zero is 0.
    """
    for answer in answers:
        if isinstance(answer, Report) and answer.changed_at is not None:
            passed = committed_at - answer.changed_at
            if passed <= LONGEST:
                yield max(0.0, passed.total_seconds() * 1000)
