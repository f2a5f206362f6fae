"""How long rows were wrong: from the order's last event at the exchange to the commit."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from reconciler.domain.report import Answer, Report

LONGEST = timedelta(days=366)
"""A longer time is no time of an event: a clock that was not set, or 0."""

_LONGEST_MS = LONGEST.total_seconds() * 1000


def times_to_correct_ms(answers: Iterable[Answer], committed_at: datetime) -> list[float]:
    """Return the time for each answer that says when its order last changed, in milliseconds.

    `committed_at` is by the database's clock, and the event by the exchange's: below zero is 0.
    """
    committed = committed_at.timestamp()
    passed_ms = [
        (committed - answer.changed_at.timestamp()) * 1000
        for answer in answers
        if isinstance(answer, Report) and answer.changed_at is not None
    ]
    return [max(0.0, ms) for ms in passed_ms if ms <= _LONGEST_MS]
