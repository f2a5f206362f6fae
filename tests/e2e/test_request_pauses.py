"""Requests in a rate-limit pause, and to an exchange that fails."""

from math import ceil

from reconciler.demo import Demo
from reconciler.exchanges.binance.adapter import REQUESTS_AT_ONCE
from reconciler.paper.request_log import LoggedRequest

from ..supervisor.processes import stretched  # noqa: TID252 - tests are no package
from .conftest import Start

PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 3, 10
IN_FLIGHT_MS = 170
"""For each second of the pause: how long a request may be in flight that was sent before it."""


def requests_since(demo: Demo, number: int) -> list[LoggedRequest]:
    return list(demo.exchange.requests(after=number))


def last_request(demo: Demo) -> int:
    return max((request.number for request in demo.exchange.requests()), default=0)


def test_no_request_is_sent_in_a_rate_limit_pause(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=600, symbols=12, seed=31)
    before = last_request(demo)
    pause_seconds = min(LONGEST_PAUSE_SECONDS, ceil(stretched(PAUSE_SECONDS)))
    demo.exchange.set_faults(
        route="allOrders", rate_limit_rate=1, retry_after_seconds=pause_seconds, for_requests=1
    )

    ended = reconcile("--once").end()

    requests = requests_since(demo, before)
    limited_ms = next(request.at_ms for request in requests if request.status == "429")
    pause = range(limited_ms + pause_seconds * IN_FLIGHT_MS, limited_ms + pause_seconds * 1000)
    assert [request for request in requests if request.at_ms in pause] == []
    assert [request for request in requests if request.at_ms >= pause.stop]
    assert ended.exit_code == 0, ended.err
    assert demo.mismatches() == []


def test_a_failing_exchange_gets_probes_and_nothing_else(demo: Demo, reconcile: Start) -> None:
    threshold, probes, openings = 5, 2, 4
    demo.fill(orders=600, symbols=12, seed=32)
    before = last_request(demo)
    for route in ("order", "openOrders", "allOrders"):
        demo.exchange.set_faults(route=route, error_rate=1)

    run = reconcile(
        RECONCILIATION_SHARDS=1,
        RECONCILIATION_BREAKER_OPEN_MS=1000,
        RECONCILIATION_BREAKER_SUCCESS_THRESHOLD=probes,
        RECONCILIATION_BREAKER_FAILURE_THRESHOLD=threshold,
    )
    run.wait_for("worker.in_trouble", openings)

    failed = [request for request in requests_since(demo, before) if request.status[0] == "5"]
    opened_ms = failed[threshold - 1].at_ms
    later = failed[threshold:]
    seconds = (later[-1].at_ms - opened_ms) // 1000
    assert openings - 1 <= len(later) <= REQUESTS_AT_ONCE + probes * (seconds + 1)
    assert run.is_running
