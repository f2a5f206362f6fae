"""What has become of rows of the user's own table, in our statuses and quantities."""

from decimal import Decimal

import psycopg
import pytest

from reconciler.config_file.document import parse_document
from reconciler.config_file.sections import read_sections
from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.store.database import Database
from reconciler.store.followed_rows import FollowedRow, FollowedRows
from reconciler.store.orders_table import read_orders_table
from reconciler.store.user_table import UserTable

CONFIG = """
[orders]
table = "deals"
where = "NOT is_test"
[orders.columns]
external_order_id = "ext"
status = "state"
executed_qty = { remaining = "left", of = "whole" }
last_synced_at = "synced"
symbol = "market"
[orders.statuses]
OPEN = "open"
DONE = "filled"
CLOSED = "canceled"
[orders.statuses.write]
expired = "CLOSED"
rejected = "CLOSED"
"""
DEALS = """
CREATE TABLE deals (id bigint PRIMARY KEY, market text, ext bigint, state text,
    "left" numeric(20, 8), whole numeric(20, 8), synced timestamptz, is_test boolean);
INSERT INTO deals VALUES
    (1, 'BTCUSDT', 71, 'OPEN', 3, 4, NULL, false), (2, 'BTCUSDT', 72, 'CLOSED', 4, 4, NULL, false),
    (3, 'BTCUSDT', 73, 'odd', 4, 4, NULL, false), (4, 'BTCUSDT', 74, 'OPEN', 4, 4, NULL, true)
"""


def test_rows_are_read_in_our_words_and_only_those_of_the_filter(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(DEALS)
    document = parse_document(CONFIG, name="it")
    file = read_sections(document, variables=(), secrets=(), own_variable="")
    assert file.orders is not None, file.problems
    database = Database(database_url, role="test", only_reads=True)

    with database.transaction() as connection:
        orders = read_orders_table(connection, UserTable(file.orders))
        rows = FollowedRows(orders, timeout_seconds=60).read(connection, [1, 2, 3, 4, 5])
    database.close()

    ends = frozenset({Status.CANCELED, Status.EXPIRED, Status.REJECTED})
    partial = Facts(status=Status.PARTIAL, executed_qty=Decimal(1), avg_price=None)
    closed = Facts(status=Status.CANCELED, executed_qty=Decimal(0), avg_price=None)
    assert rows == {
        1: FollowedRow("71", partial, "OPEN"),
        2: FollowedRow("72", closed, "CLOSED", ends),
        3: FollowedRow("73", None, "odd"),
    }


@pytest.mark.parametrize("id_type", ["text", "char(12)"])
def test_ids_may_be_texts_of_any_letters(id_type: str, database_url: str) -> None:
    ids = ["a", 'b"}', "c\\d", "e,f"]
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE orders ALTER id DROP IDENTITY IF EXISTS")
        owner.execute(f"ALTER TABLE orders ALTER id TYPE {id_type}".encode())
        for id_ in ids:
            owner.execute(
                "INSERT INTO orders (id, symbol, external_order_id, status)"
                " VALUES (%s, 'BTCUSDT', 'x', 'new')",
                (id_,),
            )
    database = Database(database_url, role="test", only_reads=True)

    with database.transaction() as connection:
        rows = FollowedRows(read_orders_table(connection), timeout_seconds=60)
        found = rows.read(connection, [*ids, "gone"])
    database.close()

    assert sorted(map(str, found)) == ids
