"""A table whose ids may be null or not unique is refused, with a hint."""

import pytest

from reconciler.errors import SchemaMismatch
from reconciler.scope import UNSCOPED
from reconciler.store.database import Database
from reconciler.store.holds import read_hold
from reconciler.store.orders_table import read_orders_table

from .builders import (
    Application,
    a_report,
    a_writer,
    insert_order,
    make_ready,
    now_of,
)

COLUMNS = (
    "id bigint, account bigint NOT NULL DEFAULT 1, symbol text, external_order_id text,"
    " status text, executed_qty numeric, avg_price numeric, last_synced_at timestamptz"
)
NOT_NULL = "ALTER TABLE orders ALTER id SET NOT NULL"


def problems_of(database: Database) -> list[tuple[str, str]]:
    with database.autocommit() as connection:
        try:
            read_orders_table(connection)
        except SchemaMismatch as mismatch:
            return [(problem.what, problem.hint) for problem in mismatch.problems]
    return []


NO_KEY = {
    "a primary key over two columns": ["ALTER TABLE orders ADD PRIMARY KEY (id, account)"],
    "the other way round": ["ALTER TABLE orders ADD PRIMARY KEY (account, id)"],
    "no index at all": [NOT_NULL],
    "an index that is not unique": [NOT_NULL, "CREATE INDEX ON orders (id)"],
    "unique, but not for all rows": [
        NOT_NULL,
        "CREATE UNIQUE INDEX ON orders (id) WHERE status = 'new'",
    ],
    "unique as an expression": [NOT_NULL, "CREATE UNIQUE INDEX ON orders ((id + 0))"],
    "unique of another column": [NOT_NULL, "CREATE UNIQUE INDEX ON orders (account) INCLUDE (id)"],
}
KEY = {
    "a primary key": ["ALTER TABLE orders ADD PRIMARY KEY (id)"],
    "a unique constraint": [NOT_NULL, "ALTER TABLE orders ADD UNIQUE (id)"],
    "one that is checked at the commit": [
        NOT_NULL,
        "ALTER TABLE orders ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED",
    ],
    "a unique index with more in it": [
        NOT_NULL,
        "CREATE UNIQUE INDEX ON orders (id) INCLUDE (symbol)",
    ],
    "a key over two columns and one over one": [
        "ALTER TABLE orders ADD PRIMARY KEY (account, id)",
        "CREATE UNIQUE INDEX ON orders (id)",
    ],
}


@pytest.mark.parametrize("statements", NO_KEY.values(), ids=NO_KEY)
def test_an_id_that_is_not_unique_is_refused_with_a_working_hint(
    statements: list[str], owner: Application, empty_database: Database
) -> None:
    owner.execute(f"CREATE TABLE orders ({COLUMNS})")
    for statement in statements:
        owner.execute(statement)

    ((what, hint),) = problems_of(empty_database)
    owner.execute(hint.removeprefix("run: "))

    assert "orders.id is not unique by itself" in what
    assert problems_of(empty_database) == []


@pytest.mark.parametrize("statements", KEY.values(), ids=KEY)
def test_an_id_that_is_unique_by_itself_is_accepted(
    statements: list[str], owner: Application, empty_database: Database
) -> None:
    owner.execute(f"CREATE TABLE orders ({COLUMNS})")
    for statement in statements:
        owner.execute(statement)

    assert problems_of(empty_database) == []


def test_an_id_that_may_be_null_is_refused_with_a_hint_that_works(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(f"CREATE TABLE orders ({COLUMNS}, UNIQUE (id))")

    ((what, hint),) = problems_of(empty_database)
    owner.execute(hint.removeprefix("run: "))

    assert "orders.id may be null" in what
    assert problems_of(empty_database) == []


@pytest.mark.parametrize(
    ("partition_by", "key", "is_accepted"),
    [
        ("HASH (id)", "PRIMARY KEY (id)", True),
        ("LIST (account)", "PRIMARY KEY (id, account)", True),
        ("LIST (account)", "PRIMARY KEY (account, id)", True),
        ("LIST (account)", "CHECK (id > 0)", False),
        ("LIST ((account % 10))", "CHECK (id IS NOT NULL)", True),
    ],
)
def test_a_partitioned_tables_key_may_include_partition_columns(
    partition_by: str,
    key: str,
    is_accepted: bool,  # noqa: FBT001 - a case, not a switch
    owner: Application,
    empty_database: Database,
) -> None:
    owner.execute(f"CREATE TABLE orders ({COLUMNS}, {key}) PARTITION BY {partition_by}")
    if "CHECK" in key:
        owner.execute(NOT_NULL)

    found = problems_of(empty_database)
    for _, hint in found:
        owner.execute(hint.removeprefix("run: "))

    assert (found == []) is is_accepted
    assert problems_of(empty_database) == []


def test_two_rows_with_the_same_id_are_on_hold_and_neither_is_written(
    owner: Application, empty_database: Database
) -> None:
    make_ready(owner, f"CREATE TABLE orders ({COLUMNS}, PRIMARY KEY (id))")
    writer = a_writer(empty_database)
    owner.execute("ALTER TABLE orders DROP CONSTRAINT orders_pkey")
    for account in (1, 2):
        insert_order(owner, 7, account=account)
    insert_order(owner, 8)
    now = now_of(empty_database)

    with empty_database.transaction() as connection:
        applied = writer.apply(connection, {id_: a_report(id_, fetched_at=now) for id_ in (7, 8)})
    with empty_database.autocommit() as connection:
        hold = read_hold(connection, UNSCOPED, "7")

    rows = owner.execute("SELECT id, status FROM orders ORDER BY id").fetchall()
    assert [(row["id"], row["status"]) for row in rows] == [(7, "new"), (7, "new"), (8, "filled")]
    assert len(applied.outcomes) == 2
    assert hold is not None
    assert "2 rows of orders have this id" in hold.detail
