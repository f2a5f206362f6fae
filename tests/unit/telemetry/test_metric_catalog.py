"""The catalog has every metric, and no metric has a name without a bound."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest

from reconciler.domain.decide import Change, Policy, decide
from reconciler.domain.order import Facts, Order
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.errors import BreakerOpen, ExchangeError
from reconciler.settings import MAX_SHARDS
from reconciler.telemetry.metric_catalog import CATALOG, ERROR_CLASSES, of_kind
from reconciler.telemetry.metric_definition import Kind, WhenGone
from reconciler.telemetry.metrics import (
    Counter,
    ErrorClass,
    Gauge,
    Timer,
    exchange_error,
    health_row,
    shard_breaker_state,
    shard_in_flight,
    shard_queued,
    transition,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SEGMENT = re.compile(r"[a-z0-9_]+")


def names_of(kind: Kind) -> set[str]:
    return {name for metric in of_kind(kind) for name in metric.names}


def patterns_of(kind: Kind) -> set[str]:
    return {metric.pattern for metric in of_kind(kind) if "<" not in metric.pattern}


def kinds_of(error: type[Exception]) -> Iterator[type[Exception]]:
    for kind in error.__subclasses__():
        if kind.__module__ == error.__module__:
            yield kind
            yield from kinds_of(kind)


@pytest.mark.parametrize(
    ("kind", "members"),
    [(Kind.COUNTER, Counter), (Kind.TIMER, Timer), (Kind.GAUGE, Gauge)],
    ids=["counters", "timers", "gauges"],
)
def test_each_name_is_in_the_catalog_once(kind: Kind, members: type[Counter]) -> None:
    assert patterns_of(kind) == {member.value for member in members}
    assert len({metric.pattern for metric in CATALOG}) == len(CATALOG)


def test_each_name_that_a_function_makes_is_in_the_catalog() -> None:
    assert transition(Status.NEW, Status.FILLED) in names_of(Kind.COUNTER)
    assert {exchange_error(error) for error in ErrorClass} <= names_of(Kind.COUNTER)
    for shard, name in product(
        (0, MAX_SHARDS - 1), (shard_breaker_state, shard_queued, shard_in_flight)
    ):
        assert name(shard) in names_of(Kind.GAUGE)
    assert health_row("oldest_stale") in names_of(Kind.GAUGE)


def test_no_name_has_a_segment_that_graphite_would_change() -> None:
    names = [name for metric in CATALOG for name in metric.names]

    assert len(names) == len(set(names)) < 500
    assert all(SEGMENT.fullmatch(segment) for name in names for segment in name.split("."))


def test_each_class_of_error_has_its_counter() -> None:
    ours = {kind.__name__ for kind in (*kinds_of(ExchangeError), BreakerOpen)}

    assert {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in ours} == {
        error.value for error in ErrorClass if error is not ErrorClass.OTHER
    }
    assert list(ERROR_CLASSES) == list(ErrorClass)


def test_each_gauge_says_what_becomes_of_it_at_the_end() -> None:
    assert all(
        isinstance(metric.when_gone, WhenGone) is (metric.kind is Kind.GAUGE) for metric in CATALOG
    )


def test_every_change_that_is_decided_has_its_counter() -> None:
    quantities = (Decimal(0), Decimal(1), Decimal(2))
    changes = set()
    for before, after, executed, reported in product(Status, Status, quantities, quantities):
        order = Order(
            id=1,
            symbol="BTCUSDT",
            external_order_id="7",
            facts=Facts(status=before, executed_qty=executed, avg_price=None),
        )
        report = Report(
            symbol="BTCUSDT",
            external_order_id="7",
            word=after.value,
            status=after,
            executed_qty=reported,
            avg_price=Decimal(3) if reported else None,
            fetched_at=NOW,
        )
        match decide(order, report, NOW, Policy()):
            case Change(to=to):
                changes.add(transition(before, to.status))

    assert transition(Status.NEW, Status.FILLED) in changes
    assert changes <= names_of(Kind.COUNTER)
