"""What Graphite adds up is what the database says, to the last order."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from reconciler.cli.exit_codes import Exit
from reconciler.demo import Demo
from reconciler.paper.dialects.binance import DIALECT
from reconciler.supervisor.status import SupervisorStatus
from scripts.observatory.client import GraphiteClient
from scripts.observatory.dashboards import Panel, dashboard_files, panels_of, read_dashboard
from scripts.observatory.stack import Observatory
from tests.chaos.recovery import clear_holds_and_halt
from tests.chaos.schedule import Fault, partial_faults, plan_steps

from ..e2e.commands import RunningCommand  # noqa: TID252 - tests are no package
from ..e2e.conftest import Start  # noqa: TID252
from ..e2e.control import wait_for_status, wait_until_ready  # noqa: TID252
from ..supervisor.processes import stretched  # noqa: TID252
from .database_totals import of_changes, of_cycles, of_holds
from .totals import COARSE, FINE, wait_for_totals

HANG = {"name": "hang", "latency_ms": 20_000}
FAULTS = partial_faults(DIALECT)
ROUNDS = 2
ROUND_SECONDS = 2.0
WORKERS = 3
MOST_SWEEPS = 5
PATIENT: dict[str, object] = {
    "RECONCILIATION_BREAKER_FAILURE_THRESHOLD": 1000,
    "RECONCILIATION_RETRY_MAX": 20,
}
IN_CHAOS: dict[str, object] = {
    "RECONCILIATION_SHARDS": WORKERS,
    "RECONCILIATION_BATCH_SIZE": 50,
    "RECONCILIATION_INTERVAL_MS": 300,
    "RECONCILIATION_STALE_MINUTES": 2 / 60,
    "RECONCILIATION_BREAKER_OPEN_MS": 500,
    "RECONCILIATION_RETRY_CAP_MS": 100,
    "RECONCILIATION_RATE_SHARE": 1,
    "RECONCILIATION_RESTART_MAX": 100,
}


def test_every_counter_of_a_demo_is_as_in_the_database(
    observatory: Observatory, demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=600, symbols=12, seed=9)
    demo.exchange.set_faults(error_rate=0.2, vanished_rate=0.05)

    settings = observatory.environment | {"STATSD_PREFIX": "demo"} | PATIENT
    ended = reconcile("--once", **settings).end()

    assert ended.exit_code == Exit.INCOMPLETE, ended.err  # some orders are on hold
    expected = of_cycles(demo.database)
    assert expected["orders.reconciled"] > 400
    assert expected["orders.held"] > 0
    wait_for_totals(observatory.graphite, "demo", expected)
    assert expected == {**expected, **of_changes(demo.database), **of_holds(demo.database)}


@pytest.mark.long
def test_after_a_chaos_with_kills_every_counter_is_exact_and_every_panel_has_data(
    observatory: Observatory, demo: Demo, reconcile: Start, tmp_path: Path
) -> None:
    rng = Random(7)  # noqa: S311 - to be the same each time
    demo.fill(orders=400, symbols=8, seed=7)
    demo.go_stale_within(ROUNDS * ROUND_SECONDS)
    path = tmp_path / "control.sock"
    settings = IN_CHAOS | observatory.environment | {"RECONCILIATION_CONTROL_SOCKET": path}

    run = reconcile(**settings)
    wait_until_ready(path)
    faults = rng.sample(list(FAULTS.items()), len(FAULTS))
    for number in range(ROUNDS):
        _misbehave(demo, faults[number::ROUNDS])
        for pid in _all_waiting_for_the_exchange(demo, path):
            os.kill(pid, signal.SIGKILL)
        demo.exchange.clear_faults()
        _wait_for_restarts(path, WORKERS * (number + 1))
    run.send(signal.SIGTERM)
    assert run.end().exit_code == 0
    restarts = sum(_restarts(ended) for ended in (run, *_recover(demo, reconcile, settings)))

    expected = of_cycles(demo.database)
    assert restarts >= WORKERS * ROUNDS
    for since in (FINE, COARSE):
        wait_for_totals(
            observatory.graphite,
            "reconciler",
            {**expected, "supervisor.restarts": restarts},
            since=since,
        )
    assert expected == {**expected, **of_changes(demo.database)}
    assert _panels_without_data(observatory.graphite) == []


def _panels_without_data(graphite: GraphiteClient) -> list[str]:
    """Name each panel that shows nothing, apart from the line of a limit."""
    panels = [panel for file in dashboard_files() for panel in panels_of(read_dashboard(file))]
    assert panels
    return [
        f"{panel.dashboard}: {panel.title}"
        for panel in panels
        if not any(series.known for series in graphite.render(*_of_metrics(panel)))
    ]


def _of_metrics(panel: Panel) -> list[str]:
    return [target for target in panel.targets if not target.startswith("threshold(")]


def _misbehave(demo: Demo, faults: Sequence[tuple[str, Sequence[Fault]]]) -> None:
    """Let the exchange have one fault after another for a time."""
    slot = ROUND_SECONDS / len(faults)
    demo.exchange.set_timeline(plan_steps(faults, slot_seconds=slot, for_seconds=slot))
    time.sleep(ROUND_SECONDS)
    demo.exchange.clear_faults()


def _all_waiting_for_the_exchange(demo: Demo, path: Path) -> list[int]:
    """Let every request hang until nothing moves any more; return the workers' process ids.

    A worker that is killed between its write and its report leaves a change that only the audit
    trail knows. One that waits for an answer has reported all that it wrote.
    """
    demo.exchange.set_faults(**HANG)
    before = None
    while True:
        status = wait_for_status(path, _is_asking)
        now = (status.totals, [worker.in_flight for worker in status.workers], _requests(demo))
        if now == before:
            return [worker.pid for worker in status.workers if worker.pid is not None]
        before = now
        time.sleep(stretched(0.5))


def _is_asking(status: SupervisorStatus) -> bool:
    pids = [worker.pid for worker in status.workers]
    return None not in pids and any(worker.in_flight for worker in status.workers)


def _requests(demo: Demo) -> int:
    return sum(demo.exchange.stats()["requests"].values())


def _wait_for_restarts(path: Path, count: int) -> None:
    wait_for_status(
        path, lambda now: now.totals.restarts >= count and now.shards.running == WORKERS
    )


def _restarts(ended: RunningCommand) -> int:
    [line] = ended.logged("supervisor.ended")
    return int(line["restarts"])


def _recover(demo: Demo, reconcile: Start, settings: dict[str, object]) -> Iterator[RunningCommand]:
    """Do what an operator does, until every row is as at the exchange; yield each sweep."""
    at_once = settings | {"RECONCILIATION_STALE_MINUTES": 0.0001}
    for _ in range(MOST_SWEEPS):
        clear_holds_and_halt(demo.database, by="test")
        sweep = reconcile("--once", **at_once)
        sweep.end()
        yield sweep
        if not demo.mismatches():
            return
    raise AssertionError(demo.mismatches()[:5])
