"""A dry run counts no writes; a batch without requests sends nothing."""

from collections import Counter as Tally
from dataclasses import dataclass, field

import pytest

from reconciler.exchanges.request_policy import Usage
from reconciler.orders.work_counters import count_orders, count_usage
from reconciler.telemetry.metrics import Counter, CounterName, NoMetrics
from reconciler.workload import Counts


@dataclass
class Counters(NoMetrics):
    """Adds up each counter that is sent."""

    totals: Tally[str] = field(default_factory=Tally)

    def incr(self, name: Counter | CounterName, count: int = 1) -> None:
        self.totals[str(name)] += count


COUNTS = Counts(
    scanned=9, reconciled=5, discrepancies=2, errors=1, held=1, transitions=Tally({"new.filled": 2})
)


@pytest.mark.parametrize(
    ("is_dry_run", "expected"),
    [
        (True, {"orders.errors": 1}),
        (
            False,
            {
                "orders.errors": 1,
                "orders.reconciled": 5,
                "orders.discrepancies": 2,
                "orders.held": 1,
                "transitions.new.filled": 2,
            },
        ),
    ],
    ids=["dry run", "run"],
)
def test_writes_are_counted_only_where_there_are_any(
    *, is_dry_run: bool, expected: dict[str, int]
) -> None:
    metrics = Counters()

    count_orders(metrics, COUNTS, is_dry_run=is_dry_run)

    assert metrics.totals == expected


def test_requests_are_counted_with_their_errors_and_none_is_no_counter() -> None:
    metrics = Counters()

    count_usage(metrics, Usage(requests=3, weight=6, errors={"unavailable": 2}))

    assert metrics.totals == {
        "exchange.requests": 3,
        "exchange.weight": 6,
        "exchange.errors.unavailable": 2,
    }
