"""Every statement on the application's columns works with any value that they can hold."""

import math
from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import Connection

from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.scope import UNSCOPED
from reconciler.store import explain
from reconciler.store.database import Database
from reconciler.store.holds import measure_holds, resolve_ended
from reconciler.store.orders_table import require_schema
from reconciler.store.privileges import missing_privileges
from reconciler.store.row_status import read_row_status
from reconciler.store.stale import StaleOrders
from reconciler.store.stale_order import StaleOrder
from reconciler.store.stale_statements import count_synced_ahead
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import Application, a_report, a_writer, an_absence, connect_application, now_of

TIMES = [
    None,
    "-infinity",
    "infinity",
    "4713-01-01 00:00:00 UTC BC",
    "0001-01-01 00:00:00 UTC",
    "1970-01-01 00:00:00 UTC",
    "9999-12-31 23:59:59.999999 UTC",
    "294276-12-31 23:59:59.999999 UTC",
]
NUMBERS = [None, "NaN", "Infinity", "-Infinity", "-1", "0", "1e-16383", "1e131071"]
LOOSE = """
    ALTER TABLE orders ALTER executed_qty DROP NOT NULL, ALTER created_at DROP NOT NULL,
        ALTER updated_at DROP NOT NULL, ALTER symbol DROP NOT NULL,
        ALTER executed_qty TYPE numeric, ALTER avg_price TYPE numeric, ALTER qty TYPE numeric
"""
INSERT = """
    INSERT INTO orders (symbol, external_order_id, client_order_id, status, qty, executed_qty,
        avg_price, created_at, updated_at, last_synced_at)
    VALUES (%s, %s, %s, 'new', %s, %s, %s, %s, %s, %s)
"""
ORDERS = 2 * len(TIMES) ** 2 + len(NUMBERS) ** 2


@pytest.fixture
def database(any_database_url: str) -> Iterator[Database]:
    """A database with a row for every pair of extremes."""
    with connect_application(any_database_url) as application:
        application.execute(LOOSE)
        insert_extremes(application)
    database = Database(any_database_url, role="test")
    yield database
    database.close()


def insert_extremes(application: Application) -> None:
    rows: list[tuple[object, ...]] = [
        *((None, "1", None, 1, 0, None, created, None, synced) for created, synced in _pairs()),
        *(("", "", "", None, 0, 0, None, updated, synced) for updated, synced in _pairs()),
        *(
            ("S" * 10_000, "9" * 10_000, "\x01", quantity, quantity, price, None, None, None)
            for quantity, price in product(NUMBERS, NUMBERS)
        ),
    ]
    with application.cursor() as cursor:
        cursor.executemany(INSERT, rows)


def _pairs() -> Iterator[tuple[str | None, str | None]]:
    return product(TIMES, TIMES)


def sweep(stale: StaleOrders, connection: Connection, *, limit: int) -> Iterator[StaleOrder]:
    page = stale.read_page(connection, limit)
    yield from page.orders
    while page.next is not None:
        page = stale.read_page(connection, limit, page.next)
        yield from page.orders


def test_every_order_is_planned_once_and_the_backlog_is_a_number(database: Database) -> None:
    with database.transaction() as connection:
        stale = StaleOrders(require_schema(connection), stale_after=timedelta(minutes=5))
        backlog = stale.measure_backlog(connection)
        planned = [order.id for order in sweep(stale, connection, limit=7)]

    assert sorted(planned, key=int) == list(range(1, ORDERS + 1))
    assert backlog.orders == ORDERS
    assert math.isfinite(backlog.oldest_age_seconds)
    assert backlog.oldest_age_seconds >= 0


@pytest.mark.parametrize("is_found", [True, False], ids=["found", "not found"])
def test_every_row_can_be_decided_on_and_written(
    is_found: bool,  # noqa: FBT001 - a case, not a switch
    database: Database,
) -> None:
    writer = a_writer(database)
    now = now_of(database)
    with database.transaction() as connection:
        stale = StaleOrders(require_schema(connection), stale_after=timedelta(minutes=5))
        orders = list(sweep(stale, connection, limit=ORDERS))
    answers: dict[OrderId, Answer] = {
        order.id: a_report(order.id, fetched_at=now)
        if is_found
        else an_absence(order.id, fetched_at=now)
        for order in orders
    }

    with database.autocommit() as connection:
        previewed = writer.preview(connection, answers)
    with database.transaction() as connection:
        applied = writer.apply(connection, answers)

    assert len(previewed.outcomes) == len(applied.outcomes) == ORDERS
    assert applied.skipped == ()


def test_every_row_with_extreme_values_can_be_explained(database: Database) -> None:
    with database.autocommit() as connection:
        orders = require_schema(connection)
        for id_ in range(1, ORDERS + 1):
            row = explain.read_row(connection, orders, id_, stale_after=timedelta(minutes=5))
            assert row is not None
            assert row.is_stale
            assert explain.read_lock_holders(connection, orders, id_) == ()
            assert read_row_status(connection, orders, id_) == "new"


def test_the_counts_include_rows_with_extreme_values(database: Database) -> None:
    with database.transaction() as connection:
        orders = require_schema(connection)
        synced_ahead = count_synced_ahead(connection, orders)
        measure = measure_holds(connection, DEFAULT_TABLE, UNSCOPED)
        ended = resolve_ended(connection, orders)
        lacking = missing_privileges(connection, DEFAULT_TABLE)

    assert synced_ahead == 2 * 3 * len(TIMES)
    assert (measure.open_orders, measure.held_orders) == (ORDERS, 0)
    assert (ended, lacking) == (0, [])
