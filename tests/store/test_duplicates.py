"""Open rows that name the same order at the exchange are counted and named, at a bounded cost."""

from datetime import timedelta

import pytest

from reconciler.exchanges.registry import venue
from reconciler.orders.chunking import chunk_orders
from reconciler.orders.duplicates_gauge import DuplicatesGauge, find_duplicates
from reconciler.store import duplicates as module
from reconciler.store.database import Database
from reconciler.store.duplicates import DuplicateOrder, Duplicates, measure_duplicates
from reconciler.store.stale import StaleOrders
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import SYMBOL, Application, insert_order, shape_of


def measured(database: Database) -> Duplicates | None:
    with database.transaction() as connection:
        return measure_duplicates(connection, DEFAULT_TABLE)


def test_rows_of_different_orders_are_no_duplicates(
    application: Application, database: Database
) -> None:
    for id_ in (1, 2, 3):
        insert_order(application, id_)
    insert_order(application, 4, external_order_id="1", symbol="ETHUSDT")
    insert_order(application, 5, external_order_id="2", status="filled")
    insert_order(application, 6, external_order_id=None)
    insert_order(application, 7, external_order_id=None)

    assert measured(database) == Duplicates(rows=0, orders=0, most=(), is_partial=False)


def test_duplicates_are_counted_and_the_most_frequent_come_first(
    application: Application, database: Database
) -> None:
    for id_ in range(1, 61):
        insert_order(application, id_, external_order_id="7")
    for id_ in (61, 62):
        insert_order(application, id_, external_order_id="8")
    insert_order(application, 63)

    assert measured(database) == Duplicates(
        rows=62,
        orders=2,
        most=(
            DuplicateOrder(symbol=SYMBOL, external_order_id="7", rows=60),
            DuplicateOrder(symbol=SYMBOL, external_order_id="8", rows=2),
        ),
        is_partial=False,
    )


def test_only_a_limited_number_of_rows_is_read(
    application: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_READ", 10)
    for id_ in range(1, 21):
        insert_order(application, id_, external_order_id="7")

    found = measured(database)

    assert found is not None
    assert (found.rows, found.is_partial) == (10, True)


def test_a_count_that_takes_too_long_is_canceled(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    application.execute("ALTER TABLE orders RENAME TO real_orders")
    application.execute(
        "CREATE VIEW orders AS SELECT r.* FROM real_orders r, pg_sleep(30) OFFSET 0"
    )

    with database.transaction() as connection:
        assert measure_duplicates(connection, DEFAULT_TABLE, timeout_seconds=0.05) is None


def test_a_page_names_each_of_its_duplicates_once(
    application: Application,
    database: Database,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for id_ in range(1, 61):
        insert_order(application, id_, external_order_id="7")
    insert_order(application, 61)
    stale = StaleOrders(shape_of(database), stale_after=timedelta(minutes=1))
    with database.transaction() as connection:
        page = stale.read_page(connection, 100)
    chunks = chunk_orders(page.orders, venue("paper"))
    watch = DuplicatesGauge(database_url, DEFAULT_TABLE)

    for _ in range(3):
        watch.record(chunks)

    assert [list(find_duplicates(chunk)) for chunk in chunks] == [
        [DuplicateOrder(symbol=SYMBOL, external_order_id="7", rows=60)]
    ]
    assert capsys.readouterr().out.count("orders.duplicate_external_id") == 1


def test_duplicates_on_different_pages_are_counted_and_named(
    application: Application, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_, external_order_id="7")
    now = 0.0
    watch = DuplicatesGauge(database_url, DEFAULT_TABLE, monotonic=lambda: now)

    counts = [watch.read()]
    application.execute("DELETE FROM orders")
    counts.append(watch.read())
    now = 601.0
    counts.append(watch.read())

    assert counts == [2, 2, 0]
    assert capsys.readouterr().out.count("orders.duplicate_external_id") == 1
