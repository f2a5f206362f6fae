"""Commands take any text as an order's id where the ids of `orders` are texts."""

import psycopg
import pytest

from .conftest import Invoke

HELD = """
    INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,
        next_attempt_at, row_facts, report, held_symbol, held_external_order_id)
    VALUES (%(id)s, 'conflict', 'because', 1, now(), now(),
        '{"status": "new", "executed_qty": "0", "avg_price": null}',
        '{"status": "filled", "executed_qty": "1", "avg_price": "2", "symbol": "BTCUSDT",
          "external_order_id": "9", "word": "FILLED"}', 'BTCUSDT', '9')"""
TABLE = """
    CREATE TABLE orders (id {} PRIMARY KEY, symbol text, external_order_id text, status text,
        executed_qty numeric, avg_price numeric, last_synced_at timestamptz)"""
ROW = "INSERT INTO orders VALUES (%(id)s, 'BTCUSDT', '9', 'new', 0)"


@pytest.mark.parametrize("id_type", ["text", "char(30)"])
@pytest.mark.parametrize("order_id", ["clh3x2k9v0000", "7", "NULL", "", 'a"b,\\{}', "all "])
def test_a_hold_of_a_text_id_is_shown_explained_and_accepted(
    id_type: str,
    order_id: str,
    invoke: Invoke,
    database_url: str,
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE orders")
        connection.execute(TABLE.format(id_type))
        connection.execute(ROW, {"id": order_id})
        connection.execute(HELD, {"id": order_id.rstrip() if "char" in id_type else order_id})
    named = ("--", order_id)

    shown = invoke("holds", "show", *named, DATABASE_URL=database_url)
    explained = invoke("explain", *named, DATABASE_URL=database_url)
    accepted = invoke("holds", "accept", "--by", "Ada", *named, DATABASE_URL=database_url)
    audited = invoke("audit", *named, DATABASE_URL=database_url)

    assert "because" in shown.stdout, shown.output
    assert explained.exit_code == 0, explained.output
    assert accepted.exit_code == 0, accepted.output
    assert "new -> filled" in audited.stdout, audited.output
