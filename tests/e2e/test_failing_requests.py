"""The real command where requests fail: about one symbol, about all, or because of how we ask."""

import pytest

from reconciler.demo import World

from .conftest import Start
from .rows import connected


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
