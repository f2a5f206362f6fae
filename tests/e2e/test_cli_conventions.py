"""How often the exchange is asked while it wants to be left alone."""

from reconciler.demo import Demo
from reconciler.paper.request_log import LoggedRequest

from .conftest import Start

ON_THE_WIRE_MS = 500
"""What was sent before the answer was heard cannot be called back."""


def asked_since(demo: Demo, number: int) -> list[LoggedRequest]:
    return list(demo.exchange.requests(after=number))


def last_request(demo: Demo) -> int:
    return max((request.number for request in demo.exchange.requests()), default=0)


def test_nobody_asks_anything_while_the_exchange_wants_silence(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=600, symbols=12, seed=31)
    before = last_request(demo)
    demo.exchange.set_faults(
        route="allOrders", rate_limit_rate=1, retry_after_seconds=3, for_requests=1
    )

    ended = reconcile("--once").end()

    requests = asked_since(demo, before)
    told_ms = next(request.at_ms for request in requests if request.status == "429")
    silence = range(told_ms + ON_THE_WIRE_MS, told_ms + 3000)
    assert [request for request in requests if request.at_ms in silence] == []
    assert [request for request in requests if request.at_ms >= silence.stop]
    assert ended.exit_code == 0, ended.err
    assert demo.mismatches() == []


def test_an_exchange_that_fails_is_sent_the_probes_and_nothing_else(
    demo: Demo, reconcile: Start
) -> None:
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

    failed = [request for request in asked_since(demo, before) if request.status[0] == "5"]
    opened_ms = failed[threshold - 1].at_ms
    later = [request for request in failed if request.at_ms > opened_ms + ON_THE_WIRE_MS]
    seconds = (later[-1].at_ms - opened_ms) // 1000
    assert 0 < len(later) <= probes * (seconds + 1)
    assert run.is_running
