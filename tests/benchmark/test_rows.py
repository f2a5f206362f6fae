from collections.abc import Iterator

import pytest
from sqlalchemy import text

from reconciler.trial.scratch_database import ScratchDatabase, open_scratch_database
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.growth.table_growth import InPlace
from scripts.benchmark.rows import Rows, stalest
from scripts.benchmark.store.decisions import COLUMNS, connect, write_decisions

ORDERS = 30


@pytest.fixture
def scratch(empty_database_url: str) -> Iterator[ScratchDatabase]:
    with open_scratch_database(empty_database_url, needed_megabytes=1) as scratch:
        yield scratch


@pytest.fixture
def rows(scratch: ScratchDatabase) -> Rows:
    rows = Rows(orders=ORDERS, symbols=3)
    rows.make(scratch.database)
    rows.put_back(scratch.database)
    return rows


def make_true(scratch: ScratchDatabase, rows: Rows, *, but: int = 0) -> None:
    """Do the work of a round, except for its last orders."""
    with connect(scratch.url) as connection:
        found = connection.execute(
            f"SELECT {COLUMNS} FROM orders WHERE status = 'new' ORDER BY id".encode()  # noqa: S608 - our own constant
        ).fetchall()
        write_decisions(connection, found[: len(found) - but], rows.answers())


def run(scratch: ScratchDatabase, statement: str) -> None:
    with scratch.database.transaction() as connection:
        connection.execute(text(statement))


def test_a_round_that_changed_and_logged_every_order_is_accepted(
    scratch: ScratchDatabase, rows: Rows
) -> None:
    make_true(scratch, rows)

    rows.require_done(scratch.database, "ours", ORDERS)


def test_a_steady_round_confirms_most_orders_and_changes_a_few(scratch: ScratchDatabase) -> None:
    rows = Rows(orders=300, symbols=3, changed_share=0.01)
    rows.make(scratch.database)
    rows.put_back(scratch.database)

    make_true(scratch, rows)

    rows.require_done(scratch.database, "ours", rows.orders)
    with scratch.database.autocommit() as connection:
        logged = connection.execute(text("SELECT order_id FROM activity_log ORDER BY id"))
        assert logged.scalars().all() == ["995", "1490"]


def test_swept_rows_are_oldest_first_by_symbol_then_by_id(scratch: ScratchDatabase) -> None:
    rows = Rows(orders=ORDERS, symbols=3, is_swept=True)
    rows.make(scratch.database)
    rows.put_back(scratch.database)

    with scratch.database.autocommit() as connection:
        oldest_first = stalest(connection, ORDERS)
        ahead = connection.execute(text("SELECT count(*) FROM orders WHERE last_synced_at > now()"))
        assert ahead.scalar_one() == 0
    assert list(oldest_first) == sorted(rows.open_ids, key=lambda id_: (rows.symbol_of(id_), id_))


def test_the_rows_are_as_before_once_they_are_put_back(
    scratch: ScratchDatabase, rows: Rows
) -> None:
    make_true(scratch, rows)

    rows.put_back(scratch.database)

    with scratch.database.autocommit() as connection:
        left = connection.execute(text("SELECT count(*) FROM orders WHERE status = 'new'"))
        assert left.scalar_one() == ORDERS
        assert connection.execute(text("SELECT count(*) FROM activity_log")).scalar_one() == 0


def test_one_order_fewer_is_an_error(scratch: ScratchDatabase, rows: Rows) -> None:
    make_true(scratch, rows, but=1)

    with pytest.raises(BenchFailed, match="29 were touched"):
        rows.require_done(scratch.database, "ours", ORDERS)


def test_one_order_more_is_an_error(scratch: ScratchDatabase, rows: Rows) -> None:
    make_true(scratch, rows)

    with pytest.raises(BenchFailed, match="was to reconcile 29 orders"):
        rows.require_done(scratch.database, "ours", ORDERS - 1)


@pytest.mark.parametrize(
    "spoiling",
    [
        "UPDATE orders SET status = 'filled' WHERE id = 5",
        "UPDATE orders SET executed_qty = 1 WHERE id = 5",
        "UPDATE orders SET updated_at = now() WHERE id = 5",
        "UPDATE orders SET last_synced_at = now() - interval '1 day' WHERE id = 5",
    ],
)
def test_an_order_that_should_only_be_confirmed_and_is_not_is_an_error(
    scratch: ScratchDatabase, spoiling: str
) -> None:
    rows = Rows(orders=ORDERS, symbols=3, changed_share=0)
    rows.make(scratch.database)
    rows.put_back(scratch.database)
    make_true(scratch, rows)
    run(scratch, spoiling)

    with pytest.raises(BenchFailed):
        rows.require_done(scratch.database, "ours", ORDERS)


@pytest.mark.parametrize(
    "spoiling",
    [
        "UPDATE orders SET avg_price = avg_price + 1 WHERE id = 5",
        "UPDATE orders SET executed_qty = 0 WHERE id = 5",
        "UPDATE orders SET last_synced_at = NULL WHERE id = 5",
        "UPDATE orders SET updated_at = created_at WHERE id = 5",
        "DELETE FROM activity_log WHERE order_id = '5'",
        "UPDATE activity_log SET order_id = '10' WHERE order_id = '5'",
        "UPDATE activity_log SET details = details - 'report' WHERE order_id = '5'",
        """UPDATE activity_log SET details = details || '{"to": {}}' WHERE order_id = '5'""",
    ],
)
def test_a_row_or_an_entry_that_is_not_right_is_an_error(
    scratch: ScratchDatabase, rows: Rows, spoiling: str
) -> None:
    make_true(scratch, rows)
    run(scratch, spoiling)

    with pytest.raises(BenchFailed):
        rows.require_done(scratch.database, "ours", ORDERS)


def test_a_hot_symbol_has_its_share_and_its_answers(scratch: ScratchDatabase) -> None:
    rows = Rows(orders=200, symbols=4, hot_share=0.8)

    rows.make(scratch.database)

    with scratch.database.autocommit() as connection:
        found = connection.execute(
            text("SELECT id, symbol FROM orders_snapshot WHERE status = 'new'")
        )
        symbols = {row.id: row.symbol for row in found}
    assert symbols == {id_: answer.symbol for id_, answer in rows.answers().items()}
    hot = sum(symbol == "SYM0USDT" for symbol in symbols.values())
    assert hot / rows.orders == pytest.approx(0.85)


def test_rows_of_a_table_of_millions_are_put_back_where_they_are(scratch: ScratchDatabase) -> None:
    rows = InPlace(orders=ORDERS)
    rows.make(scratch.database)
    Rows.put_back(rows, scratch.database)
    run(scratch, "INSERT INTO orders (id, symbol, status) VALUES (1000, 'ENDED', 'filled')")
    make_true(scratch, rows)

    rows.put_back(scratch.database)

    with scratch.database.autocommit() as connection:
        changed = connection.execute(
            text("SELECT id FROM (TABLE orders EXCEPT TABLE orders_snapshot) AS changed")
        )
        assert changed.scalars().all() == [1000]


def test_the_stalest_come_first_and_are_open(scratch: ScratchDatabase, rows: Rows) -> None:
    with scratch.database.autocommit() as connection:
        found = stalest(connection, rows.orders)
        expected = connection.execute(
            text("SELECT id FROM orders WHERE status = 'new' ORDER BY last_synced_at, id")
        )
        assert found == expected.scalars().all()
