"""The real command with failing requests: for one symbol, for all, or because of their form."""

import signal

import pytest

from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.demo import Demo
from reconciler.telemetry.health import Vitals

from .conftest import Start
from .rows import Connection, connected, count


@pytest.mark.parametrize("failing", [1, 2])
def test_symbols_that_answer_500_take_no_other_with_them(
    demo: Demo, reconcile: Start, failing: int
) -> None:
    demo.fill(orders=600, symbols=12, seed=3)
    with connected(demo.database_url) as connection:
        rows = connection.execute("SELECT DISTINCT symbol FROM orders ORDER BY 1").fetchall()
    bad = [str(symbol) for (symbol,) in rows[:failing]]
    demo.exchange.set_faults(error_rate=1, only_symbols=bad)

    ended = reconcile("--once", "--json").end()

    assert ended.exit_code == 1, ended.err
    assert ended.report["ending"] == "completed"
    assert ended.report["errors"] > 0
    wrong = demo.mismatches()
    assert wrong, "nothing failed"
    assert all(any(symbol in row for symbol in bad) for row in wrong)


@pytest.mark.parametrize("code", [-1102, -1130, -1104])
def test_a_refused_form_of_request_ends_with_78_and_holds_no_order(
    demo: Demo, reconcile: Start, code: int
) -> None:
    demo.fill(orders=600, symbols=6, seed=3)
    for route in ("openOrders", "allOrders"):
        demo.exchange.set_faults(route=route, refusal_rate=1, refusal_code=code)

    ended = reconcile("--once", "--json").end()

    assert ended.exit_code == 78, ended.err
    assert "update the reconciler" in ended.err
    with connected(demo.database_url) as connection:
        assert count(connection, "true", table="reconciliation_holds") == 0


def test_rejected_orders_are_held_after_three_rejections(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=303, symbols=101, seed=3)  # three orders a symbol are looked up one by one
    with connected(demo.database_url) as connection:
        rows = connection.execute("SELECT external_order_id FROM orders ORDER BY id LIMIT 3")
        rejected = [int(str(id_)) for (id_,) in rows]
    demo.exchange.set_faults(
        route="order", refusal_rate=1, refusal_code=-9123, only_order_ids=rejected
    )

    run = reconcile(RECONCILIATION_INTERVAL_MS=50)
    with connected(demo.database_url) as connection:
        while count(connection, "reason = 'error'", table="reconciliation_holds") < 3:
            assert run.is_running
    run.send(signal.SIGTERM)
    ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert not run.logged("worker.in_trouble")
    assert len(run.logged("order.request_rejected")) == 9
    named = {str(line["external_order_id"]) for line in run.logged("order.request_rejected")}
    assert named == set(map(str, rejected))
    assert len(demo.mismatches()) <= 3


def test_rows_that_name_another_order_are_held_alone(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=80, symbols=2, seed=3)
    with connected(demo.database_url) as connection:
        rows = connection.execute(
            "SELECT (array_agg(external_order_id ORDER BY id))[1:2] FROM orders GROUP BY symbol"
        ).fetchall()
    misnamed = [int(id_) for (ids,) in rows for id_ in ids]  # type: ignore[attr-defined]
    demo.exchange.set_faults(only_order_ids=misnamed, fields={"orderId": 1})

    run = reconcile(RECONCILIATION_INTERVAL_MS=50)
    with connected(demo.database_url) as connection:
        while count(connection, "reason = 'error'", table="reconciliation_holds") < len(misnamed):
            assert run.is_running
    run.send(signal.SIGTERM)
    ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert not run.logged("worker.in_trouble")
    assert len(demo.mismatches()) <= len(misnamed)


@pytest.mark.parametrize("symbols", [1, 12])
def test_outage_counts_one_error_for_each_failed_try(
    demo: Demo, reconcile: Start, symbols: int
) -> None:
    demo.fill(orders=150, symbols=symbols, seed=3)
    demo.exchange.set_faults(error_rate=1, route="openOrders")
    demo.exchange.set_faults(error_rate=1, route="allOrders")
    demo.exchange.set_faults(error_rate=1, route="order")

    ended = reconcile("--once", "--json").end()

    assert ended.exit_code in {1, 75}, ended.err
    with connected(demo.database_url) as connection:
        row = connection.execute("SELECT sum(errors) FROM reconciliation_cycles").fetchone()
    assert row is not None
    assert row[0] == ended.report["errors"]
    assert 0 < ended.report["errors"] <= 150


def test_an_outage_shows_in_health_and_in_the_database_while_it_lasts(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=150, symbols=12, seed=3)
    demo.exchange.set_faults(error_rate=1)

    run = reconcile()
    run.wait_for("worker.in_trouble")
    with connected(demo.database_url) as connection:
        while not (errors := errors_recorded(connection)):
            assert run.is_running
    vitals = ask(ControlAddress.of_database(demo.database_url), "health", Vitals)
    run.send(signal.SIGTERM)
    ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert vitals.last_hour.errors >= errors > 0
    with connected(demo.database_url) as connection:
        assert errors_recorded(connection) >= vitals.last_hour.errors


def errors_recorded(connection: Connection) -> int:
    """Return the number of errors in the record of cycles."""
    row = connection.execute("SELECT sum(errors) FROM reconciliation_cycles").fetchone()
    return 0 if row is None or row[0] is None else int(str(row[0]))
