import os
import signal

from reconciler.demo import Demo

from ..supervisor.processes import EndWatch, family  # noqa: TID252 - tests are no package
from .conftest import Start
from .rows import changes_not_logged, connected, count, listening_for_changes

ORDERS = 2000
WORKERS = 3


def test_killed_workers_and_supervisor_log_every_change_once(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=ORDERS, symbols=24, seed=5)
    demo.exchange.set_faults(latency_ms=60)

    with listening_for_changes(demo.database_url) as changes:
        # Few rows a transaction, so that some are left after the last death.
        run = reconcile("--once", RECONCILIATION_SHARDS=WORKERS, RECONCILIATION_BATCH_SIZE=3)
        pids = [
            run.wait_for("worker.started", number + 1)["worker_pid"] for number in range(WORKERS)
        ]
        for number, pid in enumerate(pids):
            changes.wait_for_change()
            os.kill(pid, signal.SIGKILL)
            run.wait_for("worker.died", number + 1)
        changes.wait_for_change()
        descendants = EndWatch(family(run.pid))
        run.send(signal.SIGKILL)
        assert not descendants.left_after(1.0)
    assert demo.mismatches(), "it was killed too late to prove anything"

    demo.exchange.clear_faults()
    ended = reconcile("--once", "--json").end()

    assert ended.exit_code == 0, ended.err
    assert demo.mismatches() == []
    changed = sum(order.seen != order.truth for order in demo.exchange.orders())
    with connected(demo.database_url) as connection:
        assert count(connection, "true", "activity_log") == changed
        assert not changes_not_logged(connection)
        entries = connection.execute("SELECT count(DISTINCT order_id) FROM activity_log").fetchone()
    assert entries == (changed,)
