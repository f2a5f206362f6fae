from psycopg import Cursor

from reconciler.demo import Demo
from reconciler.paper.listing import ListedOrder

from .conftest import Start
from .rows import Connection, connected, count, listening_for_changes

ROUNDS = 6

WATCH_HISTORY = """
CREATE TABLE history (before orders, after orders);
CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO history VALUES (OLD, NEW); RETURN NULL; END $$;
CREATE TRIGGER remember AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION remember();
"""
LINGER = """
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END $$;
CREATE TRIGGER linger AFTER INSERT ON activity_log EXECUTE FUNCTION linger();
"""
"""A batch keeps its rows locked for a while, so that the application writes before the end."""

BACKWARDS = """
    (after).executed_qty < (before).executed_qty
    OR array_position(ARRAY['pending', 'new', 'partial'], (after).status)
       < COALESCE(array_position(ARRAY['pending', 'new', 'partial'], (before).status), 4)
    OR (before).status NOT IN ('pending', 'new', 'partial') AND (after).status <> (before).status
"""
EVENT = """
UPDATE orders SET status = %s, executed_qty = %s, avg_price = %s, updated_at = now()
WHERE symbol = %s AND external_order_id = %s AND status IN ('pending', 'new', 'partial')
"""


def test_nothing_goes_back_while_the_application_writes_too(demo: Demo, reconcile: Start) -> None:
    demo.fill(orders=1500, symbols=60, seed=6)
    demo.exchange.set_faults(latency_ms=40)
    written = 0

    with (
        listening_for_changes(demo.database_url) as changes,
        connected(demo.database_url) as writer,
    ):
        writer.execute(WATCH_HISTORY)
        writer.execute(LINGER)
        run = reconcile("--once", RECONCILIATION_BATCH_SIZE=20)
        for round_number in range(ROUNDS):
            changes.wait_for_change()
            demo.exchange.advance_orders()
            written += apply_events(writer, list(demo.exchange.orders())[round_number::ROUNDS])
        assert run.end().exit_code == 0
        writer.execute("DROP TRIGGER linger ON activity_log")

    demo.exchange.clear_faults()
    again = reconcile("--once", RECONCILIATION_STALE_MINUTES=0.00001).end()
    assert again.exit_code == 0, again.err
    assert demo.mismatches() == []
    with connected(demo.database_url) as connection:
        assert written > ROUNDS
        assert count(connection, "true", "history") > written
        assert count(connection, BACKWARDS, "history") == 0


def apply_events(connection: Connection, orders: list[ListedOrder]) -> int:
    """Write the exchange's facts of orders, as the application does; return the number of rows."""
    cursors: list[Cursor[tuple[object, ...]]] = [
        connection.execute(
            EVENT,
            (
                order.truth.status,
                order.truth.executed_qty,
                order.truth.avg_price,
                order.symbol,
                str(order.order_id),
            ),
        )
        for order in orders
    ]
    return sum(cursor.rowcount for cursor in cursors)
