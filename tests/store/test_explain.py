"""The database says if an order is due, and which sessions lock its row."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from reconciler.domain.order import OrderId
from reconciler.store.database import Database
from reconciler.store.explain import LockHolder, OrderRow, read_lock_holders, read_row
from reconciler.store.orders_table import read_orders_table

from .builders import (
    IS_WAITING_FOR_A_LOCK,
    Application,
    Shape,
    connect_application,
    insert_order,
    until,
    use_side_table,
)

STALE_AFTER = timedelta(minutes=5)


def read(database: Database, id_: OrderId = 1) -> OrderRow | None:
    with database.autocommit() as connection:
        orders = read_orders_table(connection)
        return read_row(connection, orders, id_, stale_after=STALE_AFTER)


def holders(database: Database, id_: OrderId = 1) -> tuple[LockHolder, ...]:
    with database.autocommit() as connection:
        return read_lock_holders(connection, read_orders_table(connection), id_)


def pids(database: Database, id_: OrderId = 1) -> set[int | None]:
    return {holder.pid for holder in holders(database, id_)}


@contextmanager
def a_session(database_url: str, *statements: str) -> Iterator[int]:
    """Run the statements in a transaction that stays open for the block; yield its session."""
    with connect_application(database_url) as session, session.transaction(force_rollback=True):
        for statement in statements:
            session.execute(statement.encode())
        yield session.info.backend_pid


def test_a_row_of_every_shape_is_read_with_its_freshness(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    id_ = shape.id_of(1)
    synced_at = datetime.now(UTC) - timedelta(minutes=1)
    insert_order(owner, id_, last_synced_at=synced_at)

    row = read(empty_database, id_)

    assert row is not None
    assert (row.symbol, row.external_order_id, row.status) == ("BTCUSDT", str(id_), "new")
    assert (row.is_stale, row.last_synced_at) == (False, synced_at)
    assert row.fresh_until == synced_at + STALE_AFTER
    assert row.now >= synced_at
    assert holders(empty_database, id_) == ()


def test_a_row_is_as_fresh_as_the_side_table_says(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    synced, never = shape.id_of(1), shape.id_of(2)
    use_side_table(owner)
    insert_order(owner, synced)
    insert_order(owner, never)
    owner.execute("INSERT INTO reconciliation_sync VALUES (%s, now())", [synced])

    rows = read(empty_database, synced), read(empty_database, never)

    assert [row is not None and row.is_stale for row in rows] == [False, True]


@pytest.mark.parametrize(
    ("synced_at", "is_stale", "is_shown"),
    [
        (None, True, False),
        ("-infinity", True, False),
        ("2020-01-01", True, True),
        ("infinity", True, False),
        ("12000-01-01", True, False),
        ("294276-12-31 23:59:59 UTC", True, False),
        ("9999-12-30 UTC", True, True),
    ],
)
def test_a_row_synced_at_an_impossible_time_is_stale(
    application: Application,
    database: Database,
    synced_at: str | None,
    *,
    is_stale: bool,
    is_shown: bool,
) -> None:
    insert_order(application, 1, last_synced_at=synced_at)

    row = read(database)

    assert row is not None
    assert (row.is_stale, row.fresh_until) == (is_stale, None)
    assert (row.last_synced_at is not None) is is_shown


@pytest.mark.parametrize("id_", [7, 2**70], ids=["no row", "no id that could be"])
def test_a_missing_order_has_no_row_and_no_lock_holder(
    application: Application, database: Database, id_: int
) -> None:
    insert_order(application, 1)

    assert read(database, id_) is None


@pytest.mark.parametrize(
    "statements",
    [
        ("SELECT FROM orders WHERE id = 1 FOR UPDATE",),
        ("SELECT FROM orders WHERE id = 1 FOR KEY SHARE",),
        ("UPDATE orders SET avg_price = 1 WHERE id = 1",),
        ("DELETE FROM orders WHERE id = 1",),
        ("SAVEPOINT here", "UPDATE orders SET avg_price = 1 WHERE id = 1"),
        ("CREATE TABLE fills (order_id bigint REFERENCES orders)", "INSERT INTO fills VALUES (1)"),
    ],
    ids=["for update", "for key share", "update", "delete", "savepoint", "a fill"],
)
def test_the_session_that_locks_the_row_is_found(
    application: Application, database: Database, database_url: str, statements: tuple[str, ...]
) -> None:
    insert_order(application, 1)
    insert_order(application, 2)

    with a_session(database_url, *statements) as pid:
        (holder,) = holders(database)
        others = holders(database, 2)

    assert (holder.pid, holder.state) == (pid, "idle in transaction")
    assert holder.query is not None
    assert statements[-1] in holder.query
    assert holder.since is not None
    assert holder.query_since is not None
    assert holder.since <= holder.query_since
    assert others == holders(database) == ()


def test_all_sessions_that_share_the_lock_are_found(
    application: Application, database: Database, database_url: str
) -> None:
    insert_order(application, 1)
    share = "SELECT FROM orders WHERE id = 1 FOR KEY SHARE"

    with a_session(database_url, share) as first, a_session(database_url, share) as second:
        both = pids(database)
        with a_session(database_url, "UPDATE orders SET avg_price = 1 WHERE id = 1") as third:
            all_three = pids(database)

    assert both == {first, second}
    assert all_three == {first, second, third}
    assert pids(database) == set()


def test_a_session_that_only_waits_is_no_lock_holder(
    application: Application, database: Database, database_url: str
) -> None:
    insert_order(application, 1)

    with (
        psycopg.connect(database_url, application_name="waiting") as waiting,
        a_session(database_url, "SELECT FROM orders WHERE id = 1 FOR UPDATE") as pid,
    ):
        waiting.pgconn.send_query(b"SELECT FROM orders WHERE id = 1 FOR UPDATE")
        until(application, IS_WAITING_FOR_A_LOCK, "waiting")
        found = pids(database)
        waiting.cancel()
        waiting.pgconn.finish()

    assert found == {pid}


def test_a_prepared_transaction_locks_a_row_without_a_session(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    application.execute("BEGIN")
    application.execute("SELECT FROM orders WHERE id = 1 FOR UPDATE")
    application.execute("PREPARE TRANSACTION 'of the test'")

    try:
        (holder,) = holders(database)
    finally:
        application.execute("ROLLBACK PREPARED 'of the test'")

    assert (holder.pid, holder.application) == (None, "a prepared transaction")
    assert holder.since is not None
    assert holders(database) == ()


def test_explaining_leaves_no_trace_on_the_row(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    marks = "SELECT xmin::text, xmax::text, ctid::text FROM orders"
    before = application.execute(marks.encode()).fetchall()

    read(database)
    holders(database)

    assert application.execute(marks.encode()).fetchall() == before


def test_an_id_that_two_rows_have_is_explained_by_one_of_them(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    application.execute("CREATE TABLE archived () INHERITS (orders)")
    application.execute("INSERT INTO archived SELECT * FROM ONLY orders")

    assert read(database) is not None
    assert pids(database) == set()
