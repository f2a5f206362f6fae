"""The real command never writes a report of another order, or a false one of ours."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.demo import Demo

from .conftest import Start
from .rows import Connection, connected, count

SYMBOL = "BTCUSDT"


def place_filled(demo: Demo, order_id: int, qty: str = "1.5") -> None:
    """Place a filled order, and write a stale row in which it is still open."""
    demo.place(symbol=SYMBOL, order_id=order_id, qty=qty, status="FILLED", executed_qty=qty)
    with connected(demo.database_url) as connection:
        make_due(connection)


def make_due(connection: Connection) -> None:
    """Make every order eligible again at once, on hold or not."""
    connection.execute("UPDATE orders SET last_synced_at = NULL")
    connection.execute("UPDATE reconciliation_holds SET next_attempt_at = now()")


def test_fresh_order_reported_as_archived_is_held(demo: Demo, reconcile: Start) -> None:
    place_filled(demo, 901)
    demo.exchange.set_faults(route="order", archived_rate=1)
    with connected(demo.database_url) as connection:
        first = reconcile("--once", "--json").end()

        assert count(connection, "status = 'new'") == 1
        assert count(connection, "reason = 'not_found'", "reconciliation_holds") == 1

        demo.exchange.clear_faults()
        make_due(connection)
        second = reconcile("--once", "--json").end()

        assert (first.report["held"], second.report["reconciled"]) == (1, 1), second.err
        assert count(connection, "status = 'filled' AND executed_qty = 1.5") == 1
        assert count(connection, "resolved_at IS NULL", "reconciliation_holds") == 0


@pytest.mark.parametrize(
    "row",
    [
        {"qty": "0.5"},
        {"client_order_id": "mine-1", "qty": "1.5"},
        {"side": "sell"},
        {"created_at": datetime.now(UTC) - timedelta(days=40)},
    ],
    ids=lambda row: next(iter(row)),
)
def test_an_order_that_is_not_the_rows_is_held_and_explained(
    row: dict[str, Any], demo: Demo, reconcile: Start, start: Start
) -> None:
    place_filled(demo, 902)
    with connected(demo.database_url) as connection:
        for column, value in row.items():
            connection.execute(f"UPDATE orders SET {column} = %s", (value,))  # noqa: S608 - the cases above

        ended = reconcile("--once", "--json").end()

        assert (ended.report["held"], ended.report["reconciled"]) == (1, 0), ended.err
        assert count(connection, "status = 'new' AND executed_qty = 0") == 1
        assert count(connection, "reason = 'conflict'", "reconciliation_holds") == 1
        (id_,) = connection.execute("SELECT id FROM orders").fetchone() or (None,)
    explained = start("explain", str(id_), DATABASE_URL=demo.database_url).end()
    assert "the row said" in explained.out
    assert "the exchange says" in explained.out


def test_more_executed_than_ordered_is_held_alone(demo: Demo, reconcile: Start) -> None:
    for order_id in range(903, 909):
        place_filled(demo, order_id)
    demo.exchange.set_faults(only_order_ids=[903], fields={"executedQty": "99999"})

    ended = reconcile("--once", "--json").end()

    with connected(demo.database_url) as connection:
        assert count(connection, "status = 'filled' AND executed_qty = 1.5") == 5
        assert count(connection, "status = 'new' AND external_order_id = '903'") == 1
    assert (ended.report["errors"], ended.report["reconciled"]) == (1, 5), ended.err
    assert "order 903 of BTCUSDT: executedQty 99999" in ended.err
