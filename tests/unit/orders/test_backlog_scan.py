"""A scan of the open orders is for sweeps and gauges alike, and takes a bounded share of time."""

from collections.abc import Callable

import pytest

from reconciler.orders.backlog_scan import RECENT_SECONDS, BacklogScan
from reconciler.store.stale import StaleBacklog, StaleScan, SymbolBacklog


class Table:
    """Open orders that take a time to scan; each scan finds one more. Has its own clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 100.0
        self.scans = 0

    def scan(self) -> StaleScan:
        self.now += self.seconds
        self.scans += 1
        return StaleScan(
            symbols=(SymbolBacklog("BTCUSDT", self.scans),),
            names={"BTCUSDT": "BTCUSDT"},
            backlog=StaleBacklog(orders=self.scans, oldest_age_seconds=0, unreached_orders=0),
        )

    def clock(self) -> float:
        return self.now


def test_a_short_scan_is_made_for_each_sweep() -> None:
    table = Table(seconds=0.4)
    scans = BacklogScan(table.clock)

    found = [scans.begin_sweep(table.scan).backlog.orders for _ in range(3)]

    assert found == [1, 2, 3]
    assert scans.pause_seconds == 0


def test_a_long_scan_delays_the_next_by_twenty_times_its_duration() -> None:
    table = Table(seconds=5)
    scans = BacklogScan(table.clock)

    first = scans.begin_sweep(table.scan)
    delay = scans.pause_seconds
    table.now += delay - 1
    too_soon = scans.begin_sweep(table.scan)
    table.now += 1
    scans.begin_sweep(table.scan)

    assert delay == 100
    assert too_soon is first
    assert table.scans == 2


@pytest.mark.parametrize(
    ("seconds", "max_age"), [(0.001, RECENT_SECONDS), (2, 200)], ids=["short", "long"]
)
def test_the_gauges_show_what_a_sweeps_scan_found_until_it_is_old(
    seconds: float, max_age: float
) -> None:
    table = Table(seconds)
    scans = BacklogScan(table.clock)

    scans.begin_sweep(table.scan)
    table.now += max_age - 1
    recent, age_seconds = scans.measure(table.scan)
    table.now += 2
    new, no_age = scans.measure(table.scan)

    assert recent.orders == 1
    assert age_seconds == pytest.approx(max_age - 1)
    assert (new.orders, no_age) == (2, 0)


@pytest.mark.parametrize("ask", [BacklogScan.begin_sweep, BacklogScan.measure])
def test_a_scan_that_failed_is_made_again(
    ask: Callable[[BacklogScan, Callable[[], StaleScan]], object],
) -> None:
    table = Table(seconds=5)
    scans = BacklogScan(table.clock)

    def fail() -> StaleScan:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(scans, fail)
    ask(scans, table.scan)

    assert table.scans == 1
