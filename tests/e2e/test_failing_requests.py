"""The real command where requests fail: about one symbol, about all, or because of how we ask."""

import signal

import pytest

from reconciler.demo import World
from reconciler.supervisor.control.client import ask
from reconciler.supervisor.control.place import default_path
from reconciler.telemetry.health import Vitals

from .conftest import Start
from .rows import Connection, connected


@pytest.mark.parametrize("failing", [1, 2])
def test_symbols_that_answer_500_take_no_other_with_them(
    world: World, reconcile: Start, failing: int
) -> None:
    world.fill(orders=600, symbols=12, seed=3)
    with connected(world.database_url) as connection:
        rows = connection.execute("SELECT DISTINCT symbol FROM orders ORDER BY 1").fetchall()
    bad = [str(symbol) for (symbol,) in rows[:failing]]
    world.exchange.set_faults(error_rate=1, only_symbols=bad)

    ended = reconcile("--once", "--json").end()

    assert ended.exit_code == 1, ended.err
    assert ended.report["ending"] == "swept"
    assert ended.report["errors"] > 0
    wrong = world.mismatches()
    assert wrong, "nothing failed"
    assert all(any(symbol in row for symbol in bad) for row in wrong)


@pytest.mark.parametrize("symbols", [1, 12])
def test_an_outage_is_counted_in_the_cycle_and_its_row_once_for_each_failed_try(
    world: World, reconcile: Start, symbols: int
) -> None:
    world.fill(orders=150, symbols=symbols, seed=3)
    world.exchange.set_faults(error_rate=1, route="openOrders")
    world.exchange.set_faults(error_rate=1, route="allOrders")
    world.exchange.set_faults(error_rate=1, route="order")

    ended = reconcile("--once", "--json").end()

    assert ended.exit_code in {1, 75}, ended.err
    with connected(world.database_url) as connection:
        row = connection.execute("SELECT sum(errors) FROM reconciliation_cycles").fetchone()
    assert row is not None
    assert row[0] == ended.report["errors"]
    assert 0 < ended.report["errors"] <= 150


def test_an_outage_shows_in_health_and_in_the_database_while_it_lasts(
    world: World, reconcile: Start
) -> None:
    world.fill(orders=150, symbols=12, seed=3)
    world.exchange.set_faults(error_rate=1)

    run = reconcile()
    run.wait_for("worker.in_trouble")
    with connected(world.database_url) as connection:
        while not (errors := errors_recorded(connection)):
            assert run.is_running
    vitals = ask(default_path(world.database_url), "health", Vitals)
    run.send(signal.SIGTERM)
    ended = run.end()

    assert ended.exit_code == 0, ended.err
    assert vitals.errors >= errors > 0
    with connected(world.database_url) as connection:
        assert errors_recorded(connection) >= vitals.errors


def errors_recorded(connection: Connection) -> int:
    """Return how many errors the record of cycles has."""
    row = connection.execute("SELECT sum(errors) FROM reconciliation_cycles").fetchone()
    return 0 if row is None or row[0] is None else int(str(row[0]))
