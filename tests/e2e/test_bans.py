"""The real command in a rate-limit pause: it stops at once, and remembers the pause."""

import signal
import time
from collections.abc import Iterator

import pytest

from reconciler.demo import Demo
from reconciler.paper.process import PaperProcess

from ..supervisor.processes import stretched  # noqa: TID252 - tests are no package
from .conftest import AMPLE, KEY, SECRET, Start
from .proxy import DatabaseProxy
from .rows import connected, count, listening_for_changes
from .test_supervision import status_of

BAN_SECONDS = 300
WEIGHT = 150
LATENCY_MS = 400
MOST_OF_ONE_REQUEST = 20


@pytest.fixture
def paper() -> Iterator[PaperProcess]:
    """An exchange of this test, since its bans must not meet the next one."""
    with PaperProcess(api_key=KEY, api_secret=SECRET, options=AMPLE) as paper:
        yield paper


def test_a_stop_during_a_ban_ends_at_once_and_kills_nobody(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=200, symbols=12, seed=7)
    demo.exchange.set_faults(ban_rate=1, ban_seconds=BAN_SECONDS)

    run = reconcile()
    run.wait_for("supervisor.rate_limited")
    sent = time.monotonic()
    run.send(signal.SIGTERM)
    ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert time.monotonic() - sent < stretched(2.0)
    assert not run.logged("worker.killed")
    assert not run.logged("worker.bug")
    assert run.logged("supervisor.ended")[0]["killed"] == 0


def test_stop_while_waiting_for_budget_keeps_what_was_answered(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=600, symbols=200, seed=7)

    # A cycle takes more than a minute's weight, so nothing of it is written yet.
    run = reconcile(RECONCILIATION_RATE_SHARE=WEIGHT / 6000, RECONCILIATION_BATCH_SIZE=100)
    run.wait_for("worker.started")
    while (budget := status_of(demo).budget).used < budget.limit_per_minute - MOST_OF_ONE_REQUEST:
        pass
    sent = time.monotonic()
    run.send(signal.SIGTERM)
    ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert time.monotonic() - sent < stretched(5.0)
    assert not run.logged("worker.killed")
    with connected(demo.database_url) as connection:
        answered = count(connection, "last_synced_at > now() - interval '1 minute'")
    assert 0 < answered < 600


def test_a_ban_is_kept_by_the_next_start(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=50, symbols=2, seed=7)
    demo.exchange.set_faults(ban_rate=1, ban_seconds=BAN_SECONDS)
    first = reconcile()
    first.wait_for("supervisor.rate_limited")
    first.send(signal.SIGTERM)
    assert first.end().exit_code == 0
    demo.exchange.clear_faults()
    asked = demo.exchange.stats()["requests"]

    second = reconcile()
    restored = second.wait_for("supervisor.pause_restored")
    once = reconcile("--once").end()

    assert BAN_SECONDS - 60 < restored["pause_seconds"] < BAN_SECONDS + 2
    assert once.exit_code == 75
    assert demo.exchange.stats()["requests"] == asked
    second.send(signal.SIGTERM)
    assert second.end().exit_code == 0


def test_a_drain_that_has_to_kill_says_so_and_ends_with_1(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=400, symbols=12, seed=7)

    with (
        DatabaseProxy(demo.database_url) as proxy,
        listening_for_changes(demo.database_url) as changes,
    ):
        run = reconcile(
            DATABASE_URL=proxy.url,
            RECONCILIATION_BATCH_SIZE=20,
            RECONCILIATION_RATE_SHARE=0.05,
            RECONCILIATION_DRAIN_SECONDS=1,
            RECONCILIATION_SHARDS=1,
        )
        changes.wait_for_change()
        proxy.freeze()
        run.send(signal.SIGTERM)
        ended = run.end()

    killed = run.logged("worker.killed")
    if killed:
        assert ended.exit_code == 1, ended.err
        assert "1 workers had to be killed" in ended.err
        assert run.logged("supervisor.drain_incomplete")[0]["killed"] == 1
    else:
        pytest.fail("no worker was using the database")
    with connected(demo.database_url) as connection:
        assert count(connection, "status = 'new'") > 0


def test_after_a_ban_one_request_goes_before_the_rest(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=600, symbols=60, seed=7)
    demo.exchange.set_faults(latency_ms=LATENCY_MS)
    demo.exchange.set_faults(name="ban", ban_rate=1, ban_seconds=3, for_requests=1)

    ended = reconcile("--once", RECONCILIATION_SHARDS=4).end()

    assert ended.exit_code == 0, ended.err
    requests = sorted(demo.exchange.requests(), key=lambda request: request.at_ms)
    banned_at = next(request.at_ms for request in requests if request.status == "418")
    first, *rest = (request for request in requests if request.at_ms > banned_at + 2000)
    assert first.status == "200"
    assert min(request.at_ms for request in rest) >= first.at_ms + LATENCY_MS
