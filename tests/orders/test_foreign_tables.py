"""Rows of a foreign table below `orders`, which have no version, are decided on under the lock.

PostgreSQL shows 0 as the `xmin` of each of them, before and after any change.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from reconciler.domain import value
from reconciler.domain.decide import Change, Rule
from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.exchanges.base import OrderRef
from reconciler.orders.handler import OrderHandler
from reconciler.store.compare_and_set import CompareAndSet, PlannedWrites
from reconciler.store.database import Database
from reconciler.store.orders_table import OrdersTable, read_orders_table
from reconciler.store.stale import StaleOrders
from reconciler.store.stale_order import StaleOrder
from reconciler.workload import Batch, Chunk

from .builders import FakeExchange, a_handler

# The wheel's PostgreSQL is built without postgres_fdw; Debian's, the oldest supported, is not.
pytestmark = pytest.mark.parametrize("any_database_url", ["oldest"], indirect=True)

SERVER = """
    CREATE EXTENSION postgres_fdw;
    CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host {host}, dbname {dbname});
    CREATE USER MAPPING FOR CURRENT_USER SERVER loopback OPTIONS (user {user});
    ALTER TABLE orders DROP COLUMN updated_at;
    CREATE TABLE remote_orders (LIKE orders INCLUDING DEFAULTS)"""
CHILD = """
    CREATE FOREIGN TABLE old_orders () INHERITS (orders)
        SERVER loopback OPTIONS (table_name 'remote_orders')"""
PARTITION = """
    DROP TABLE orders;
    CREATE TABLE orders (LIKE remote_orders) PARTITION BY LIST ((id % 2));
    CREATE TABLE odd_orders PARTITION OF orders FOR VALUES IN (1);
    CREATE FOREIGN TABLE even_orders PARTITION OF orders FOR VALUES IN (0)
        SERVER loopback OPTIONS (table_name 'remote_orders')"""
INSERT = """
    INSERT INTO remote_orders (id, symbol, external_order_id, status)
    VALUES (2, 'BTCUSDT', '2', 'new'), (4, 'BTCUSDT', '4', 'new')"""
FILL = "UPDATE remote_orders SET status = 'filled', executed_qty = 2, avg_price = 200 WHERE id = 2"
PARTIAL = Facts(status=Status.PARTIAL, executed_qty=Decimal(1), avg_price=Decimal(100))


@pytest.fixture
def application(any_database_url: str) -> Iterator[psycopg.Connection]:
    """The application's connection to a database that is its own foreign server."""
    server = conninfo_to_dict(any_database_url.replace("+psycopg", ""))
    options = {key: sql.Literal(server[key]) for key in ("host", "dbname", "user")}
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute(sql.SQL(SERVER).format(**options))
        connection.execute(INSERT)
        yield connection


@pytest.fixture
def database(any_database_url: str) -> Iterator[Database]:
    database = Database(any_database_url, role="test")
    yield database
    database.close()


def read_stale(database: Database, orders: OrdersTable) -> tuple[StaleOrder, ...]:
    with database.transaction() as connection:
        stale = StaleOrders(orders, stale_after=timedelta(minutes=1))
        return stale.read_page(connection, 10).orders


def read_table(database: Database) -> OrdersTable:
    with database.autocommit() as connection:
        return read_orders_table(connection)


async def assert_only_the_unchanged_row_is_written(
    application: psycopg.Connection, handler: OrderHandler, orders: tuple[StaleOrder, ...]
) -> None:
    """Let the application fill one of two orders while the exchange is asked about both."""
    batch = Batch(number=0, cycle=0, chunks=(Chunk(key="BTCUSDT", items=orders),))

    await handler.prepare(batch)
    application.execute(FILL)
    result = await handler.commit(batch, may_write=True)

    rows = application.execute("SELECT id, status, executed_qty FROM orders ORDER BY id").fetchall()
    log = application.execute("SELECT order_id, details->'to'->>'status' FROM activity_log")
    assert rows == [(2, "filled", 2), (4, "partial", 1)]
    assert log.fetchall() == [("4", "partial")]
    assert (result.counts.scanned, result.counts.reconciled) == (2, 1)


@pytest.mark.parametrize("below", [CHILD, PARTITION], ids=["child", "partition"])
async def test_a_foreign_row_that_the_application_changed_is_not_overwritten(
    below: str, application: psycopg.Connection, database: Database
) -> None:
    application.execute(below)
    table = read_table(database)
    orders = read_stale(database, table)

    handler = a_handler(database, FakeExchange(says=PARTIAL))
    await assert_only_the_unchanged_row_is_written(application, handler, orders)

    assert not table.has_row_version
    assert [order.version for order in orders] == ["", ""]


async def test_a_foreign_table_that_is_added_while_we_run_has_no_versions_either(
    application: psycopg.Connection, database: Database
) -> None:
    table = read_table(database)
    handler = a_handler(database, FakeExchange(says=PARTIAL))
    application.execute(CHILD)
    orders = read_stale(database, table)

    await assert_only_the_unchanged_row_is_written(application, handler, orders)

    assert table.has_row_version
    assert [order.version for order in orders] == ["", ""]


async def test_a_row_without_a_version_is_never_as_planned(
    application: psycopg.Connection, database: Database
) -> None:
    table = read_table(database)
    application.execute(CHILD)
    two, four = (value.replace(order, version="0") for order in read_stale(database, table))
    refs = [OrderRef(symbol="BTCUSDT", external_order_id=text) for text in ("2", "4")]
    of_two, of_four = (await FakeExchange(says=PARTIAL).fetch(refs)).answers.values()
    change = Change(to=PARTIAL, rule=Rule.STATUS_ADVANCED)
    planned = PlannedWrites(confirmed=[(two, of_two)], changed=[(four, of_four, change)])

    with database.autocommit() as connection:
        result = CompareAndSet(table, exchange="paper").write(connection, planned)

    assert result.different == {2, 4}
