"""The index of open orders of a table of the user's own: built, accepted, and built again."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from reconciler.config_file.orders import Columns, JoinedColumns, OrdersConfig
from reconciler.config_file.sql_text import TableName
from reconciler.config_file.statuses import Meaning, Statuses
from reconciler.domain.status import Status
from reconciler.store import migrations
from reconciler.store.database import Database
from reconciler.store.migrations.indexes import build_index
from reconciler.store.open_index import (
    IndexState,
    avoid_table_scans,
    index_problems,
    read_index_state,
)
from reconciler.store.suitable_index import find_suitable_index
from reconciler.store.user_table import DEFAULT_TABLE, UserTable

from . import hostile_table
from .builders import SHAPES, Application
from .test_migrations import find_psql

INDEXES = """
    SELECT c.relname AS name, i.indrelid::regclass::text AS of, i.indisvalid AS is_valid,
        obj_description(c.oid, 'pg_class') AS comment
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relname LIKE 'reconciler%' AND c.relname NOT LIKE 'reconciliation%' ORDER BY 1"""


def state_of(database: Database, table: UserTable) -> IndexState:
    with database.autocommit() as connection:
        state = read_index_state(connection, table)
    with database.transaction() as connection:
        assert read_index_state(connection, table) is state
        assert connection.exec_driver_sql("SHOW enable_seqscan").scalar_one() == "on"
    return state


def build(database: Database, table: UserTable) -> None:
    with database.connection() as connection:
        build_index(connection, table)


def with_meanings(meanings: Mapping[str, Meaning]) -> UserTable:
    return UserTable(replace(hostile_table.CONFIG, statuses=Statuses(meanings=meanings)))


def indexes_of_plan(database: Database, statement: str) -> set[str]:
    with database.transaction() as connection:
        avoid_table_scans(connection)
        explained = f"EXPLAIN {statement}".replace("%", "%%")
        plan = "\n".join(connection.exec_driver_sql(explained).scalars())
    return set(re.findall(r"Index.* Scan (?:using|on) (\S+)", plan))


def names_of(owner: Application) -> list[str]:
    return [row["name"] for row in owner.execute(INDEXES)]


def test_a_table_with_hostile_names_and_words_gets_its_index(
    owner: Application, empty_database: Database
) -> None:
    table = hostile_table.TABLE
    owner.execute(hostile_table.DDL)
    assert state_of(empty_database, table) is IndexState.MISSING

    build(empty_database, table)
    build(empty_database, table)

    assert state_of(empty_database, table) is IndexState.READY
    assert names_of(owner) == ["reconciler_open_orders"]
    statement = f"SELECT FROM {table.rows} WHERE {table.open_orders}"
    assert indexes_of_plan(empty_database, statement) == {"reconciler_open_orders"}


def test_the_printed_sql_builds_the_same_index(
    owner: Application, empty_database: Database, empty_database_url: str, tmp_path: Path
) -> None:
    owner.execute(hostile_table.DDL)
    script = tmp_path / "reconciler.sql"
    script.write_text(migrations.ddl(hostile_table.TABLE), encoding="utf-8")

    command: list[str] = [str(find_psql()), "--quiet", "--set=ON_ERROR_STOP=1", f"--file={script}"]

    subprocess.run([*command, empty_database_url], check=True)  # noqa: S603 - the server's own client, on our own file

    assert state_of(empty_database, hostile_table.TABLE) is IndexState.READY


def test_other_words_in_the_file_make_the_index_outdated_and_their_order_does_not(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(hostile_table.DDL)
    build(empty_database, hostile_table.TABLE)
    meanings = hostile_table.CONFIG.statuses.meanings
    turned = with_meanings(dict(reversed(list(meanings.items()))))
    more = with_meanings({**meanings, "MORE": Status.NEW})
    assert state_of(empty_database, turned) is IndexState.READY
    assert state_of(empty_database, more) is IndexState.OUTDATED
    with empty_database.autocommit() as connection:
        (problem,) = index_problems(connection, more)
    assert "was built for other columns or words" in problem.what

    build(empty_database, more)

    assert state_of(empty_database, more) is IndexState.READY
    assert names_of(owner) == ["reconciler_open_orders"]


PARTITIONED = """
    CREATE TABLE orders (id bigint PRIMARY KEY, symbol text, external_order_id text, status text,
        executed_qty numeric, avg_price numeric, last_synced_at timestamptz)
        PARTITION BY RANGE (id);
    CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (1000);
    CREATE TABLE "Orders 2" PARTITION OF orders FOR VALUES FROM (1000) TO (3000)
        PARTITION BY RANGE (id);
    CREATE TABLE orders_2a PARTITION OF "Orders 2" FOR VALUES FROM (1000) TO (2000);
"""


INDEXED_LEAVES = """
    SELECT count(DISTINCT i.indrelid) AS leaves
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relname LIKE '%rders\\_%' AND i.indisvalid AND i.indpred IS NOT NULL"""


def test_no_partition_is_without_an_index_while_an_outdated_one_is_replaced(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(PARTITIONED)
    build(empty_database, DEFAULT_TABLE)
    former = names_of(owner)
    changed = UserTable(OrdersConfig(statuses=Statuses(meanings={"OPEN": "open"})))
    leaves: set[int] = set()

    def look(*_: object) -> None:
        row = owner.execute(INDEXED_LEAVES).fetchone()
        assert row is not None
        leaves.add(row["leaves"])

    with empty_database.connection() as connection:
        event.listen(connection, "before_cursor_execute", look)
        build_index(connection, changed)

    assert leaves == {2}
    assert names_of(owner) == former
    assert state_of(empty_database, changed) is IndexState.READY
    assert state_of(empty_database, DEFAULT_TABLE) is IndexState.OUTDATED


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ("(status)", IndexState.REPLACED),
        ("(status, symbol)", IndexState.REPLACED),
        ("(id) WHERE status IN ('pending', 'new', 'partial')", IndexState.REPLACED),
        ("(symbol) WHERE status <> 'filled'", IndexState.REPLACED),
        ("(status) WHERE status <> 'filled'", IndexState.REPLACED),
        ("(symbol) WHERE status = 'new'", IndexState.MISSING),
        ("(symbol, id)", IndexState.MISSING),
        ("(external_order_id)", IndexState.MISSING),
        ("(symbol, id) INCLUDE (status)", IndexState.MISSING),
        ("(id) WHERE external_order_id IS NOT NULL", IndexState.MISSING),
    ],
)
def test_an_index_of_the_users_is_accepted_where_it_finds_open_orders(
    columns: str,
    state: IndexState,
    owner: Application,
    empty_database: Database,
) -> None:
    owner.execute(SHAPES["bigint id, text status"].ddl)
    owner.execute(f"CREATE INDEX mine ON orders {columns}".encode())

    with empty_database.autocommit() as connection:
        found = find_suitable_index(connection, DEFAULT_TABLE)

    assert found == ("mine" if state is IndexState.REPLACED else None)
    assert state_of(empty_database, DEFAULT_TABLE) is state
    build(empty_database, DEFAULT_TABLE)
    assert names_of(owner) == ([] if found else ["reconciler_open_orders"])


def test_joined_symbols_are_an_expression_of_the_index(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(
        "CREATE TABLE trades (id uuid PRIMARY KEY, base text, quote char(8),"
        " external_order_id text, status text)"
    )
    table = UserTable(
        OrdersConfig(
            table=TableName(name="trades"),
            columns=Columns(symbol=JoinedColumns(names=("base", "quote"))),
        )
    )

    build(empty_database, table)

    assert state_of(empty_database, table) is IndexState.READY
    statement = f"SELECT FROM {table.rows} WHERE {table.open_orders} AND {table.symbol} = 'BTCUSDT'"
    assert indexes_of_plan(empty_database, statement) == {"reconciler_open_orders"}


def test_no_index_is_sought_with_a_word_that_the_table_cannot_have(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(SHAPES["integer id, enum status"].ddl)
    owner.execute("CREATE INDEX mine ON orders (status)")
    table = UserTable(OrdersConfig(statuses=Statuses(meanings={"OPEN": "open"})))

    assert state_of(empty_database, table) is IndexState.UNUSED


def test_a_role_that_may_not_read_finds_no_index_and_gets_no_error(
    application: Application, database: Database, clerk_role: str
) -> None:
    application.execute("DROP INDEX reconciler_open_orders; CREATE INDEX mine ON orders (status)")
    with database.transaction() as connection:
        connection.exec_driver_sql(f"SET LOCAL ROLE {clerk_role}")
        assert read_index_state(connection, DEFAULT_TABLE) is IndexState.UNUSED
