"""The real command with an exchange whose firewall blocks something in a row."""

import pytest

from reconciler.demo import Demo

from .conftest import Start
from .rows import connected

ORDERS = 601


@pytest.mark.parametrize("symbols", [1, 12])
def test_order_that_a_firewall_blocks_is_held_alone(
    demo: Demo, reconcile: Start, symbols: int
) -> None:
    demo.fill(orders=ORDERS, symbols=symbols, seed=3)
    with connected(demo.database_url) as connection:
        row = connection.execute(
            "SELECT id, external_order_id FROM orders ORDER BY external_order_id::bigint LIMIT 1"
        ).fetchone()
    assert row is not None
    id_, blocked = str(row[0]), str(row[1])
    demo.exchange.set_faults(firewall_rate=1, only_queries_with=[blocked])

    ended = reconcile("--once", "--json").end()

    # If a list of open orders has the order, no request names it, and its row is right too.
    assert ended.report["ending"] == "completed", ended.err
    assert held_orders(demo) in ([id_], [])
    assert [row for row in demo.mismatches() if blocked not in row] == []


def test_id_that_a_firewall_would_dislike_never_reaches_it(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=ORDERS, symbols=12, seed=3)
    with connected(demo.database_url) as connection:
        row = connection.execute("SELECT id, external_order_id FROM orders LIMIT 1").fetchone()
        assert row is not None
        connection.execute(
            "UPDATE orders SET external_order_id = 'x-union-select-1' WHERE id = %s", [row[0]]
        )
    demo.exchange.set_faults(firewall_rate=1, only_queries_with=["select"])

    ended = reconcile("--once", "--json").end()

    assert held_orders(demo) == [str(row[0])]
    assert ended.report["held"] == 1
    assert ended.report["ending"] == "completed"
    wrong = [
        wrong for wrong in demo.mismatches() if "x-union" not in wrong and str(row[1]) not in wrong
    ]
    assert wrong == []


def test_symbol_that_a_firewall_dislikes_takes_no_other_with_it(
    demo: Demo, reconcile: Start
) -> None:
    demo.fill(orders=ORDERS, symbols=12, seed=3)
    with connected(demo.database_url) as connection:
        (symbol,) = connection.execute("SELECT min(symbol) FROM orders").fetchone() or ("",)
        of_symbol = connection.execute(
            "SELECT id FROM orders WHERE symbol = %s ORDER BY id", [symbol]
        ).fetchall()
    demo.exchange.set_faults(firewall_rate=1, only_queries_with=[str(symbol)])

    ended = reconcile("--once", "--json").end()

    assert ended.report["ending"] == "completed", ended.err
    if held := held_orders(demo):
        assert held == sorted(str(id_) for (id_,) in of_symbol)
    assert [row for row in demo.mismatches() if str(symbol) not in row] == []


def held_orders(demo: Demo) -> list[str]:
    """Return the orders on hold; check that the firewall or the id is the reason of each."""
    with connected(demo.database_url) as connection:
        holds = connection.execute(
            "SELECT order_id, detail FROM reconciliation_holds ORDER BY order_id"
        ).fetchall()
    assert all("firewall" in str(why) or "client order id" in str(why) for _, why in holds)
    return [str(id_) for id_, _ in holds]
