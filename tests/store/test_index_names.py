"""The index is found by its table, not by its name alone: another table may have that name."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.migrations import indexes
from reconciler.store.open_index import FORMER_INDEX, OPEN_INDEX, IndexState, read_index_state
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import Application, insert_order
from .test_migrations import find_psql

BECOMES_A_PARTITION = """
    ALTER TABLE orders ALTER id DROP IDENTITY IF EXISTS;
    ALTER TABLE orders RENAME TO orders_2026;
    CREATE TABLE orders (LIKE orders_2026 INCLUDING DEFAULTS) PARTITION BY RANGE (id);
    CREATE UNIQUE INDEX orders_by_id ON orders (id);
    CREATE TABLE orders_2027 PARTITION OF orders FOR VALUES FROM (1000) TO (2000);
"""
ATTACH = "ALTER TABLE orders ATTACH PARTITION {} FOR VALUES FROM (0) TO (1000)"
OUR_INDEXES: str = """
    SELECT i.indexrelid::bigint AS oid, i.indrelid::regclass::text AS of,
        i.indexrelid::regclass::text AS name, i.indisvalid AS is_valid,
        h.inhparent::regclass::text AS above
    FROM pg_index i LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
    WHERE pg_get_indexdef(i.indexrelid) LIKE '%(symbol, id) WHERE%'
    ORDER BY name"""


@pytest.fixture(autouse=True)
def _an_upgraded_table(owner: Application, empty_database: Database) -> None:
    """Begin with a table without partitions that has the index."""
    owner.execute(sample_orders.ORDERS_DDL)
    insert_order(owner, 500)
    upgrade(empty_database)


def upgrade(database: Database) -> None:
    with database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)
    with database.autocommit() as connection:
        assert read_index_state(connection, DEFAULT_TABLE) is IndexState.READY


def our_indexes(owner: Application) -> dict[str, dict[str, Any]]:
    """Read each index like ours, by its table. No table may have two."""
    rows = owner.execute(OUR_INDEXES).fetchall()
    found = {row.pop("of"): row for row in rows}
    assert len(found) == len(rows)
    return found


def has_index(owner: Application, name: str) -> bool:
    row = owner.execute("SELECT to_regclass(%s) IS NOT NULL AS it", [name]).fetchone()
    return row == {"it": True}


@pytest.mark.parametrize("schema", ["public", "archive"])
def test_a_table_that_became_a_partition_keeps_its_index(
    schema: str, owner: Application, empty_database: Database
) -> None:
    oid = our_indexes(owner)["orders"]["oid"]
    owner.execute(f"CREATE INDEX {FORMER_INDEX} ON orders (last_synced_at)")
    owner.execute(BECOMES_A_PARTITION)
    owner.execute("CREATE SCHEMA archive")
    place = sql.Identifier(schema)
    owner.execute(sql.SQL("ALTER TABLE orders_2026 SET SCHEMA {}").format(place))
    owner.execute(sql.SQL(ATTACH).format(sql.Identifier(schema, "orders_2026")))

    upgrade(empty_database)

    found = our_indexes(owner)
    partition = found["orders_2026" if schema == "public" else "archive.orders_2026"]
    assert (partition["oid"], partition["above"]) == (oid, OPEN_INDEX)
    assert {index["above"] for index in found.values()} == {None, OPEN_INDEX}
    assert all(index["is_valid"] for index in found.values())
    assert len(found) == 3
    assert not has_index(owner, f"{schema}.{FORMER_INDEX}")


def test_a_partition_that_became_the_table_again_keeps_its_index(
    owner: Application, empty_database: Database
) -> None:
    oid = our_indexes(owner)["orders"]["oid"]
    owner.execute(BECOMES_A_PARTITION)
    owner.execute(sql.SQL(ATTACH).format(sql.Identifier("orders_2026")))
    upgrade(empty_database)
    owner.execute("ALTER TABLE orders DETACH PARTITION orders_2026; DROP TABLE orders")
    owner.execute("ALTER TABLE orders_2026 RENAME TO orders")

    upgrade(empty_database)

    index = our_indexes(owner)["orders"]
    assert (index["oid"], index["name"], index["above"]) == (oid, OPEN_INDEX, None)


def test_the_indexes_of_a_renamed_table_are_kept(
    owner: Application, empty_database: Database
) -> None:
    oid = our_indexes(owner)["orders"]["oid"]
    owner.execute(f"CREATE INDEX {FORMER_INDEX} ON orders (last_synced_at)")
    owner.execute("ALTER TABLE orders RENAME TO orders_old")
    owner.execute("CREATE TABLE orders (LIKE orders_old INCLUDING DEFAULTS, PRIMARY KEY (id))")

    upgrade(empty_database)

    found = our_indexes(owner)
    assert found["orders_old"]["oid"] == oid
    assert found["orders"]["name"] == OPEN_INDEX
    assert has_index(owner, FORMER_INDEX)


def test_the_indexes_of_a_table_in_another_schema_are_kept(
    owner: Application, empty_database_url: str
) -> None:
    """Its schema comes first in the search path, and `orders` lies in the second."""
    owner.execute("CREATE SCHEMA first")
    owner.execute("CREATE TABLE first.other (symbol text, id int)")
    for name in (OPEN_INDEX, FORMER_INDEX):
        owner.execute(f"CREATE INDEX {name} ON first.other (id)")
    owner.execute(f"CREATE INDEX {FORMER_INDEX} ON orders (last_synced_at)")
    owner.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [OPEN_INDEX]
    )
    behind = Database(f"{empty_database_url}&options=-csearch_path%3Dfirst,public", role="test")

    with behind.connection() as connection:
        indexes.build_index(connection, DEFAULT_TABLE)
    behind.close()

    assert our_indexes(owner)["orders"]["is_valid"]
    assert has_index(owner, f"first.{OPEN_INDEX}")
    assert has_index(owner, f"first.{FORMER_INDEX}")
    assert not has_index(owner, f"public.{FORMER_INDEX}")


@pytest.mark.parametrize("path", ["public", "first,public"])
def test_the_printed_sql_drops_no_index_of_another_table(
    path: str, owner: Application, empty_database_url: str, tmp_path: Path
) -> None:
    owner.execute("CREATE SCHEMA first")
    owner.execute(f"DROP INDEX {OPEN_INDEX}")
    for schema in ("first", "public"):
        owner.execute(f"CREATE TABLE {schema}.other (id int)")
        for name in (OPEN_INDEX, FORMER_INDEX):
            owner.execute(f"CREATE INDEX {name} ON {schema}.other (id)")
    script = tmp_path / "reconciler.sql"
    printed = migrations.ddl(DEFAULT_TABLE)
    start = printed.index("\nDO $reconciler$")
    script.write_text(f"SET search_path = {path};{printed[start : printed.index('BEGIN;', start)]}")

    subprocess.run(  # noqa: S603 - the server's own client, on our own file
        [find_psql(), "--quiet", "--set=ON_ERROR_STOP=1", f"--file={script}", empty_database_url],
        check=True,
    )

    assert our_indexes(owner)["orders"]["name"] == OPEN_INDEX
    of_others = owner.execute(
        "SELECT FROM pg_index WHERE indrelid IN ('first.other'::regclass, 'public.other'::regclass)"
    ).fetchall()
    assert len(of_others) == 4
