"""Rows that are followed, rows that look open and are not, and the cost on a large table."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from reconciler.scope import UNSCOPED
from reconciler.store import bounded_source
from reconciler.store.coverage import Coverage
from reconciler.store.coverage_count import explain_no_stale_orders, measure_coverage
from reconciler.store.database import Database
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import Application, insert_order


@pytest.fixture
def any_word(application: Application) -> Application:
    """The application, with a table that accepts any status."""
    application.execute("ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_status_check")
    application.execute("ALTER TABLE orders ALTER COLUMN status DROP NOT NULL")
    return application


def measure(database: Database, *, timeout_seconds: float = 30) -> Coverage | None:
    with database.transaction() as connection:
        return measure_coverage(connection, DEFAULT_TABLE, timeout_seconds=timeout_seconds)


def add_orders(application: Application, rows: int, status: str | None) -> None:
    application.execute(
        "INSERT INTO orders (id, symbol, external_order_id, status)"
        " SELECT coalesce((SELECT max(id) FROM orders), 0) + number, 'BTCUSDT', number::text, %s"
        " FROM generate_series(1, %s) AS number",
        (status, rows),
    )


def remarks_of(database: Database) -> tuple[str, ...]:
    found = measure(database)
    assert found is not None
    return found.remarks


def test_orders_with_our_words_are_followed_and_nothing_is_remarked(
    any_word: Application, database: Database
) -> None:
    for status in ("pending", "new", "partial", "filled", "canceled"):
        add_orders(any_word, 2, status)

    found = measure(database)

    assert found is not None
    assert (found.rows, found.followed, found.not_followed, found.remarks) == (10, 6, 0, ())


def test_open_orders_in_other_words_are_counted_by_word(
    any_word: Application, database: Database
) -> None:
    add_orders(any_word, 151, "OPEN")
    add_orders(any_word, 49, "PARTIALLY_FILLED")
    add_orders(any_word, 300, "FILLED")

    assert remarks_of(database) == (
        "200 rows look open, 0 by our words: OPEN 151, PARTIALLY_FILLED 49",
    )


@pytest.mark.parametrize("word", ["NEW", "New", "new ", " partial"])
def test_our_words_in_another_spelling_are_reported_not_followed(
    word: str, any_word: Application, database: Database
) -> None:
    add_orders(any_word, 3, "new")
    add_orders(any_word, 2, word)

    (remark,) = remarks_of(database)

    shown = word if word.isidentifier() else repr(word)
    assert remark == f"5 rows look open, 3 by our words; not followed: {shown} 2"


def test_trailing_blanks_of_a_char_column_are_no_other_spelling(
    any_word: Application, database: Database
) -> None:
    any_word.execute("ALTER TABLE orders ALTER COLUMN status TYPE char(10)")
    add_orders(any_word, 3, "new")

    found = measure(database)

    assert found is not None
    assert (found.followed, found.remarks) == (3, ())


@pytest.mark.parametrize("external", [None, "", "  "])
def test_open_orders_without_an_external_id_are_counted_apart(
    external: str | None, any_word: Application, database: Database
) -> None:
    insert_order(any_word, 1)
    insert_order(any_word, 2, external_order_id=external)

    found = measure(database)

    assert found is not None
    assert (found.followed, found.without_id, found.not_followed) == (1, 1, 1)
    assert found.remarks == ("1 open row has no external_order_id and is not followed",)


def test_a_table_with_only_unknown_statuses_is_reported_with_them(
    any_word: Application, database: Database
) -> None:
    add_orders(any_word, 5, "17")
    add_orders(any_word, 1, None)

    assert remarks_of(database) == ("no row has a status of our words: '17' 5, none 1",)


def test_an_empty_table_has_nothing_to_remark(database: Database) -> None:
    assert remarks_of(database) == ()


def test_a_large_table_is_estimated_from_sample_new_rows_and_index(
    any_word: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_orders(any_word, 30_000, "OPEN")
    add_orders(any_word, 20_000, "filled")
    add_orders(any_word, 7, "WORKING")
    insert_order(any_word, 999_999)
    any_word.execute("UPDATE orders SET symbol = 'ETHUSDT' WHERE id = 1")
    monkeypatch.setattr(bounded_source, "MAX_READ_BYTES", 0)
    monkeypatch.setattr(bounded_source, "SAMPLED_PAGES", 100)

    found = measure(database)

    assert found is not None
    assert found.is_estimate
    assert found.likely_open["OPEN"] == pytest.approx(30_000, rel=0.6)
    assert found.likely_open["WORKING"] >= 7
    assert found.followed >= 1
    assert found.remarks[0].startswith("about ")


def test_a_large_table_is_never_read_as_a_whole(
    any_word: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_orders(any_word, 1, "OPEN")
    monkeypatch.setattr(bounded_source, "MAX_READ_BYTES", 0)
    statements: list[str] = []

    with database.transaction() as connection:
        event.listen(
            connection,
            "before_cursor_execute",
            lambda _conn, _cursor, statement, *_: statements.append(statement),
        )
        measure_coverage(connection, DEFAULT_TABLE)

    read = [statement for statement in statements if "FROM orders" in statement]
    assert read
    assert all("TABLESAMPLE" in one or "LIMIT" in one for one in read)


def test_a_count_that_times_out_leaves_the_connection_usable(
    any_word: Application, database: Database
) -> None:
    any_word.execute("ALTER TABLE orders RENAME TO all_orders")
    any_word.execute(
        "CREATE VIEW orders AS SELECT all_orders.* FROM all_orders, pg_sleep(20) AS slow"
    )

    with database.transaction() as connection:
        found = measure_coverage(connection, DEFAULT_TABLE, timeout_seconds=0.05)
        still_there = connection.exec_driver_sql("SELECT 1").scalar_one()

    assert (found, still_there) == (None, 1)


def test_rows_in_partitions_are_counted_too(empty_database: Database, owner: Application) -> None:
    owner.execute(
        "CREATE TABLE orders (id bigint PRIMARY KEY, external_order_id text, status text)"
        " PARTITION BY RANGE (id)"
    )
    owner.execute("CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (1000)")
    owner.execute("INSERT INTO orders VALUES (1, '1', 'OPEN')")

    assert remarks_of(empty_database) == ("1 row looks open, 0 by our words: OPEN 1",)


def test_the_reason_for_nothing_to_do_is_reported(
    any_word: Application, database: Database
) -> None:
    def reason() -> str:
        with database.transaction() as connection:
            return explain_no_stale_orders(
                connection, DEFAULT_TABLE, UNSCOPED, timedelta(minutes=5)
            )

    none_open = reason()
    insert_order(any_word, 1, last_synced_at="now")
    fresh = reason()
    any_word.execute(
        "INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,"
        " next_attempt_at, row_facts) VALUES ('1', 'error', '', 1, now(), now() + '1 h', '{}')"
    )
    held = reason()
    any_word.execute("UPDATE reconciliation_holds SET next_attempt_at = now() + '1 day'")
    due = reason()

    assert none_open == ("nothing to do: no row is open by our words and has an external_order_id")
    assert fresh == ("nothing to do: of 1 open orders none was last synced more than 5 minutes ago")
    assert held == f"{fresh}; 1 orders are on hold"
    assert due == fresh, "no hold lasts a day: a wrong clock has set this one"
