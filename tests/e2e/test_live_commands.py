"""`status`, `scale`, `health` and `explain` with a real supervisor, and after its end."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.demo import Demo
from reconciler.supervisor.status import SupervisorStatus

from .commands import EndedCommand
from .conftest import Start, settings_of
from .control import wait_for_status
from .rows import connected

ORDERS = 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def command(start: Start, demo: Demo, path: Path) -> Callable[..., EndedCommand]:
    """Run a command while the supervisor works: `command("status", "--json")`."""

    def command(*arguments: str) -> EndedCommand:
        settings = settings_of(demo) | {"RECONCILIATION_CONTROL_SOCKET": path}
        return start(*arguments, **settings).end()

    return command


def test_commands_show_a_running_and_an_ended_supervisor(
    demo: Demo, reconcile: Start, command: Callable[..., EndedCommand], path: Path
) -> None:
    demo.fill(orders=ORDERS, symbols=6, seed=41)
    run = reconcile(RECONCILIATION_CONTROL_SOCKET=path)
    wait_for_status(path, lambda status: status.totals.reconciled == ORDERS and bool(status.cycles))
    with connected(demo.database_url) as connection:
        row = connection.execute(
            "SELECT id FROM orders WHERE status IN ('new', 'partial') LIMIT 1"
        ).fetchone()
    assert row is not None

    shown = command("status")
    running = command("health", "--json")
    explained = command("explain", str(row[0]), "--json")
    run.send(signal.SIGTERM)
    run.end()
    shown_after = command("status")
    health_after = command("health", "--json")

    assert shown.exit_code == 0, shown.err
    assert shown.out.startswith("OK ")
    assert f"\nsupervisor {run.pid}, running, " in shown.out
    assert f"done     {ORDERS:,} orders in " in shown.out
    assert running.report["source"] == "supervisor"
    assert "breakers" in [row["name"] for row in running.report["rows"]]
    assert explained.report["answer"].startswith("It is not reconciled: it is fresh until ")
    assert explained.report["supervisor"]["shard_state"] == "ready"
    assert (shown_after.exit_code, shown_after.out) == (69, "")
    assert health_after.report["source"] == "database"
    assert "last run" in [row["name"] for row in health_after.report["rows"]]


def test_shards_come_and_go_as_they_are_scaled(
    demo: Demo, reconcile: Start, command: Callable[..., EndedCommand], path: Path
) -> None:
    demo.fill(orders=ORDERS, symbols=6, seed=42)
    reconcile(RECONCILIATION_CONTROL_SOCKET=path)
    wait_for_status(path, lambda status: status.shards.running == 2)

    plan = command("scale", "--plan", "3")
    unchanged = ask(ControlAddress.at(path), "status", SupervisorStatus).shards.desired
    more = command("scale", "3")
    grown = wait_for_status(path, lambda status: status.shards.running == 3)
    fewer = command("scale", "1", "--json")
    wait_for_status(path, lambda status: len(status.workers) == 1 and status.shards.draining == 0)

    assert (plan.exit_code, unchanged) == (0, 2), plan.err
    assert plan.out.endswith("from 2 to 3 shards: 85 of 256 buckets move (33.2%)\n")
    assert more.out == "from 2 to 3 shards: 85 of 256 buckets move (33.2%)\n"
    assert [worker.buckets for worker in grown.workers] == [85, 86, 85]
    assert (fewer.report["before"], fewer.report["after"]) == (3, 1)
