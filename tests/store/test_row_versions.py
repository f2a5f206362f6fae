"""Rows are written by comparing `xmin` only where it tells of every write."""

import pytest

from reconciler.store.database import Database
from reconciler.store.orders_table import read_orders_table
from reconciler.store.row_versions import row_version_problems
from reconciler.store.user_table import DEFAULT_TABLE

PARTITIONED = """
    ALTER TABLE orders RENAME TO plain;
    CREATE TABLE orders (LIKE plain) PARTITION BY RANGE (created_at);
    CREATE TABLE recent PARTITION OF orders DEFAULT;"""
# Without a handler nothing can be read from it, but the catalogs have a foreign table.
SERVER = "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;"
FOREIGN_CHILD = f"{SERVER} CREATE FOREIGN TABLE old () INHERITS (orders) SERVER far"
FOREIGN_GRANDCHILD = f"""
    {SERVER} CREATE TABLE between () INHERITS (orders);
    CREATE FOREIGN TABLE old () INHERITS (between) SERVER far"""
FOREIGN_PARTITION = f"""
    {PARTITIONED} {SERVER}
    CREATE FOREIGN TABLE old PARTITION OF orders
        FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') SERVER far"""
OTHER_METHOD = """
    CREATE ACCESS METHOD like_heap TYPE TABLE HANDLER heap_tableam_handler;
    CREATE TABLE old () INHERITS (orders) USING like_heap"""


@pytest.mark.parametrize(
    ("ddl", "others"),
    [
        ("CREATE TABLE old () INHERITS (orders)", []),
        (PARTITIONED, []),
        (FOREIGN_CHILD, ["old"]),
        (FOREIGN_GRANDCHILD, ["old"]),
        (FOREIGN_PARTITION, ["old"]),
        (OTHER_METHOD, ["old"]),
        ("ALTER TABLE orders RENAME TO b; CREATE VIEW orders AS TABLE b", ["orders is a view"]),
    ],
)
def test_each_table_that_a_query_reads_must_have_row_versions(
    ddl: str, others: list[str], database: Database
) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(ddl)
        problems = row_version_problems(connection, DEFAULT_TABLE)
        connection.rollback()

    assert [problem.what.partition(",")[0] for problem in problems] == others


def test_next_to_a_foreign_table_no_row_is_planned_with_a_version(database: Database) -> None:
    with database.transaction() as connection:
        before = read_orders_table(connection)
        connection.exec_driver_sql(FOREIGN_CHILD)
        after = read_orders_table(connection)
        connection.rollback()

    assert before.has_row_version
    assert not after.has_row_version
