"""Count in the metrics what became of a batch's orders, and the requests that were sent."""

from collections.abc import Mapping

from reconciler.domain.status import Status
from reconciler.exchanges.request_policy import Usage
from reconciler.telemetry.metrics import (
    Counter,
    CounterName,
    Metrics,
    Timer,
    exchange_error,
    transition,
)
from reconciler.workload import Counts

Increments = Mapping[Counter | CounterName, int]


def count_orders(metrics: Metrics, counts: Counts, *, is_dry_run: bool) -> None:
    """Count what became of orders; of a dry run only what was not looked at."""
    _count(
        metrics,
        {
            Counter.ORDERS_ERRORS: counts.errors,
            Counter.ORDERS_SKIPPED_LOCKED: counts.skipped_locked,
            **({} if is_dry_run else _writes_of(counts)),
        },
    )


def count_usage(metrics: Metrics, usage: Usage) -> None:
    """Count the requests that were sent, and their outcomes."""
    _count(
        metrics,
        {
            Counter.EXCHANGE_REQUESTS: usage.requests,
            Counter.EXCHANGE_WEIGHT: usage.weight,
            Counter.EXCHANGE_RETRIES: usage.retries,
        },
    )
    for error, count in usage.errors.items():
        metrics.incr(exchange_error(error), count)
    metrics.timings(Timer.EXCHANGE_LATENCY, usage.latencies_ms)


def _writes_of(counts: Counts) -> Increments:
    """Return the counters of what was written."""
    transitions: Increments = {
        transition(*map(Status, change.split("."))): count
        for change, count in counts.transitions.items()
    }
    return {
        Counter.ORDERS_RECONCILED: counts.reconciled,
        Counter.ORDERS_DISCREPANCIES: counts.discrepancies,
        Counter.ORDERS_HELD: counts.held,
        **transitions,
    }


def _count(metrics: Metrics, increments: Increments) -> None:
    for name, count in increments.items():
        if count:
            metrics.incr(name, count)
