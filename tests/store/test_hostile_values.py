"""Values that a column may hold and no order has: read as what they are, and nothing is guessed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from reconciler.config_file.document import parse_document
from reconciler.config_file.sections import read_sections
from reconciler.domain.decide import Policy, decide
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.store import migrations
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import OrdersTable, require_schema
from reconciler.store.stale import StaleOrders
from reconciler.store.user_table import UserTable

from .builders import Application, connect_application

CONFIG = """
[orders]
table = "deals"
[orders.columns]
symbol = "sym"
external_order_id = "ext"
status = "state"
executed_qty = "done"
created_at = { column = "created", unit = "epoch-ms" }
last_synced_at = { column = "synced", unit = "naive:Europe/Berlin" }
[orders.statuses]
OPEN = "open"
FILLED = "filled"
"""

DDL = """
    CREATE TABLE deals (id bigint PRIMARY KEY, sym text, ext text, state text, done text,
        created bigint, synced timestamp);
    CREATE SCHEMA fake;
    CREATE FUNCTION fake.now() RETURNS timestamptz STABLE LANGUAGE sql AS
        $$ SELECT current_setting('fake.now')::timestamptz $$
    """

AUTUMN = ("2026-10-25 00:30:00+00", "2026-10-25 01:30:00+00")
"""Half past two in Berlin, and an hour later half past two again."""

STALE_AFTER = timedelta(minutes=5)


def user_table() -> UserTable:
    file = read_sections(
        parse_document(CONFIG, name="it"), variables=(), secrets=(), own_variable=""
    )
    assert file.orders is not None
    return UserTable(file.orders)


@pytest.fixture
def owner(empty_database_url: str) -> Iterator[Application]:
    with connect_application(empty_database_url) as connection:
        connection.execute(DDL.encode())
        yield connection


@pytest.fixture
def database(owner: Application, empty_database_url: str) -> Iterator[Database]:
    assert not owner.closed
    database = Database(empty_database_url, role="test")
    with database.connection() as connection:
        migrations.upgrade(connection, user_table())
    yield database
    database.close()


def orders_of(database: Database) -> OrdersTable:
    with database.autocommit() as connection:
        return require_schema(connection, user_table())


def stale_ids(database: Database, now: str | None = None) -> list[Any]:
    """Return the ids of the stale orders, as if it were `now`."""
    stale = StaleOrders(orders_of(database), stale_after=STALE_AFTER)
    with database.transaction() as connection:
        set_clock(connection, now)
        return [order.id for order in stale.read_page(connection, 9).orders]


def set_clock(connection: Connection, now: str | None) -> None:
    if now is not None:
        connection.exec_driver_sql("SET LOCAL search_path = fake, pg_catalog, public")
        connection.exec_driver_sql(f"SET LOCAL fake.now = '{now}'")


def write(database: Database, status: Status, now: str | None = None) -> None:
    orders = orders_of(database)
    report = Report(
        symbol="BTCUSDT",
        external_order_id="77",
        word=status.upper(),
        status=status,
        executed_qty=Decimal(1 if status is Status.FILLED else 0),
        avg_price=None,
        fetched_at=datetime.now(UTC),
        quantity=Decimal(1),
    )
    policy = Policy(quantity_scale=orders.quantity_scale, price_scale=orders.price_scale)
    writer = OrderWriter(orders, exchange="paper", decide=partial(decide, policy=policy))
    with database.transaction() as connection:
        set_clock(connection, now)
        writer.apply(connection, {1: report})


def insert(owner: Application, **values: object) -> None:
    row = {"id": 1, "sym": "BTCUSDT", "ext": "77", "state": "OPEN", "done": "0"} | values
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    owner.execute(f"INSERT INTO deals ({names}) VALUES ({places})".encode(), list(row.values()))  # noqa: S608 - ours


@pytest.mark.parametrize("done", ["NaN", "abc", "1,5", "٣", "Infinity"])
def test_a_text_that_is_no_number_puts_its_order_on_hold(
    done: str, owner: Application, database: Database
) -> None:
    insert(owner, done=done)

    assert stale_ids(database) == [1]
    write(database, Status.FILLED)

    (row,) = owner.execute("SELECT state, done FROM deals").fetchall()
    assert row == {"state": "OPEN", "done": done}
    (held,) = owner.execute("SELECT reason FROM reconciliation_holds").fetchall()
    assert held["reason"] == "conflict"


@pytest.mark.parametrize("created", [0, -1, -(2**63), 2**63 - 1])
def test_a_time_that_no_order_has_is_none(
    created: int, owner: Application, database: Database
) -> None:
    insert(owner, created=created)

    stale = StaleOrders(orders_of(database), stale_after=STALE_AFTER)
    with database.transaction() as connection:
        (order,) = stale.read_page(connection, 9).orders

    assert order.created_at is None


@pytest.mark.parametrize("now", AUTUMN)
def test_an_order_synced_in_the_hour_that_comes_twice_is_not_stale_at_once(
    now: str, owner: Application, database: Database
) -> None:
    insert(owner)
    assert stale_ids(database, now) == [1]

    write(database, Status.NEW, now)

    (row,) = owner.execute("SELECT synced FROM deals").fetchall()
    assert row["synced"] == datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - of no zone
    assert stale_ids(database, now) == []
    assert stale_ids(database, "2026-10-25 02:00:00+00") == [1]
