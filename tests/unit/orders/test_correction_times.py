"""How long a row was wrong is told by the exchange's own time of the event."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from reconciler.domain.report import Absent, Report
from reconciler.domain.status import Status
from reconciler.orders.correction_times import times_to_correct_ms

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def a_report(changed_at: datetime | None) -> Report:
    return Report(
        symbol="BTCUSDT",
        external_order_id="7",
        word="FILLED",
        status=Status.FILLED,
        executed_qty=Decimal(1),
        avg_price=Decimal(2),
        fetched_at=NOW,
        changed_at=changed_at,
    )


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (timedelta(seconds=12.5), [12_500.0]),
        (timedelta(days=300), [300 * 86_400_000.0]),
        (timedelta(seconds=-3), [0.0]),
        (timedelta(days=367), []),
        (NOW - datetime(1970, 1, 1, tzinfo=UTC), []),
    ],
    ids=["passed", "long ago", "a clock ahead of ours", "too long ago", "a clock that was not set"],
)
def test_the_time_since_the_event_is_bounded(before: timedelta, expected: list[float]) -> None:
    assert list(times_to_correct_ms([a_report(NOW - before)], NOW)) == expected


def test_an_answer_without_a_time_of_the_event_has_no_time_to_correct() -> None:
    absent = Absent(symbol="BTCUSDT", external_order_id="7", fetched_at=NOW)

    assert list(times_to_correct_ms([absent, a_report(None)], NOW)) == []
