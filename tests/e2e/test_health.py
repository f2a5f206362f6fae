"""The verdict of `health` is the same from supervisor and database, and after a restart."""

import signal
from pathlib import Path

import pytest

from reconciler.demo import Demo
from reconciler.telemetry.health import Vitals

from .conftest import Start, settings_of
from .control import wait_for_answer
from .rows import connected, count

AN_HOUR_OF_ALARM = """
    INSERT INTO reconciliation_cycles (host, started_at, finished_at, duration_ms, scanned,
        reconciled, discrepancies, errors, held, skipped_locked, requests, weight, transitions)
    SELECT 'another-host', moment, moment, 2100, 1000, 1000, 298, 0, 0, 0, 9, 180, '{}'
    FROM (SELECT now() - interval '10 minutes' AS moment) AS finished
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def has_just_run(vitals: Vitals) -> bool:
    """Return True once the first cycle has ended."""
    age = vitals.last_hour.last_run_age_seconds
    return age is not None and age < 60


def test_a_restart_does_not_forget_the_last_hour(
    demo: Demo, reconcile: Start, start: Start, path: Path
) -> None:
    with connected(demo.database_url) as connection:
        connection.execute(AN_HOUR_OF_ALARM)
    settings = settings_of(demo) | {"RECONCILIATION_CONTROL_SOCKET": path}

    run = reconcile(RECONCILIATION_CONTROL_SOCKET=path)
    first = wait_for_answer(path, "health", Vitals, lambda _: True)
    wait_for_answer(path, "health", Vitals, has_just_run)
    running = start("health", "--json", **settings).end()
    run.send(signal.SIGTERM)
    run.end()
    from_database = start("health", "--json", **settings).end()

    assert (first.last_hour.scanned, first.last_hour.discrepancies) == (1000, 298)
    for answer, source in ((running, "supervisor"), (from_database, "database")):
        assert (answer.exit_code, answer.report["source"]) == (2, source)
        (reason,) = answer.report["reasons"]
        assert reason["slug"] == "discrepancy_rate"
        assert reason["value"] == "29.8% of 1,000 orders in the last hour"
        assert reason["grade"] == "critical"


def test_the_first_sync_of_a_table_is_named_and_is_no_alarm(
    demo: Demo, reconcile: Start, start: Start
) -> None:
    demo.fill(orders=400, symbols=4, seed=11)
    reconcile("--once").end()

    first = start("health", "--json", **settings_of(demo)).end()
    with connected(demo.database_url) as connection:
        connection.execute("UPDATE orders SET status = 'new', last_synced_at = NULL")
    reconcile("--once").end()
    second = start("health", "--json", **settings_of(demo)).end()

    (shown,) = [row for row in first.report["rows"] if row["name"] == "discrepancy rate"]
    assert first.exit_code == 0
    assert "not counted is the first sync of this table: " in shown["value"]
    assert "of 400 differed" in shown["value"]
    assert [row["name"] for row in second.report["reasons"]] == ["discrepancy rate"]


def test_a_run_with_nothing_to_do_is_recorded_as_one(demo: Demo, reconcile: Start) -> None:
    ended = reconcile("--once", "--json").end()

    assert (ended.exit_code, ended.report["orders"]) == (0, 0)
    with connected(demo.database_url) as connection:
        assert count(connection, "scanned = 0 AND requests = 0", "reconciliation_cycles") == 1


def test_holds_decide_the_verdict_of_service_and_database(
    demo: Demo, reconcile: Start, start: Start, path: Path
) -> None:
    demo.fill(orders=100, symbols=4, seed=12)
    with connected(demo.database_url) as connection:
        connection.execute(
            "UPDATE orders SET status = 'new', external_order_id = 'none-' || id WHERE id % 5 = 0"
        )
    reconcile("--once").end()
    settings = settings_of(demo) | {"RECONCILIATION_CONTROL_SOCKET": path}

    from_database = start("health", "--json", **settings).end()
    reconcile(RECONCILIATION_CONTROL_SOCKET=path)
    wait_for_answer(path, "health", Vitals, lambda vitals: vitals.held_orders is not None)
    running = start("health", "--json", **settings).end()

    for answer, source in ((from_database, "database"), (running, "supervisor")):
        (row,) = [row for row in answer.report["rows"] if row["name"] == "orders on hold"]
        assert (answer.exit_code, answer.report["source"]) == (2, source)
        assert row["grade"] == "critical"
        assert row["value"].startswith("20 of ")
        assert row in answer.report["reasons"]
