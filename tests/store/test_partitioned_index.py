"""The index of a partitioned table is built partition by partition, while others write."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from reconciler.errors import StoreUnavailable
from reconciler.store import migrations
from reconciler.store.database import Database
from reconciler.store.migrations import indexes
from reconciler.store.open_index import FORMER_INDEX, OPEN_INDEX, IndexState, read_index_state
from reconciler.store.orders_table import require_schema
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import (
    IS_WAITING_FOR_A_LOCK,
    Application,
    a_report,
    applied,
    connect_application,
    insert_order,
    now_of,
    read_row,
    until,
)

PARTITIONS = """
    CREATE TABLE orders (id bigint, symbol text, external_order_id text, status text,
        executed_qty numeric, avg_price numeric, last_synced_at timestamptz, PRIMARY KEY (id))
        PARTITION BY RANGE (id);
    CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM (0) TO (1000);
    CREATE TABLE "Orders 2" PARTITION OF orders FOR VALUES FROM (1000) TO (3000)
        PARTITION BY RANGE (id);
    CREATE TABLE orders_2a PARTITION OF "Orders 2" FOR VALUES FROM (1000) TO (2000);
    CREATE TABLE orders_2b PARTITION OF "Orders 2" FOR VALUES FROM (2000) TO (3000);
"""
OUR_INDEXES: str = """
    SELECT i.indrelid::regclass::text AS name, i.indisvalid AS is_valid, h.inhparent IS NOT NULL AS
        is_attached
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
    WHERE pg_get_indexdef(i.indexrelid) LIKE '%(symbol, id) WHERE%'
    ORDER BY name"""
WHOLE = {
    "orders": (True, False),
    "orders_1": (True, True),
    '"Orders 2"': (True, True),
    "orders_2a": (True, True),
    "orders_2b": (True, True),
}
"""For each table of the tree: is its index valid, and attached to the index above?"""


@pytest.fixture(autouse=True)
def _partitions(owner: Application) -> None:
    owner.execute(PARTITIONS)
    for id_ in (500, 1500, 2500):
        insert_order(owner, id_)


def upgrade(database: Database) -> None:
    with database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)


def our_indexes(owner: Application) -> dict[str, tuple[bool, bool]]:
    rows = owner.execute(OUR_INDEXES).fetchall()
    return {row["name"]: (row["is_valid"], row["is_attached"]) for row in rows}


def state_of(database: Database) -> IndexState:
    with database.autocommit() as connection:
        return read_index_state(connection, DEFAULT_TABLE)


def test_every_partition_is_indexed_and_the_former_index_dropped(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(f"CREATE INDEX {FORMER_INDEX} ON orders (last_synced_at)")

    upgrade(empty_database)
    applied(empty_database, (1500, a_report(1500, fetched_at=now_of(empty_database))))

    assert our_indexes(owner) == WHOLE
    assert owner.execute("SELECT to_regclass(%s) AS it", [FORMER_INDEX]).fetchone() == {"it": None}
    assert read_row(owner, 1500)["status"] == "filled"
    with empty_database.autocommit() as connection:
        require_schema(connection)


def test_a_second_upgrade_of_partitions_changes_nothing(
    owner: Application, empty_database: Database
) -> None:
    oids: str = "SELECT oid FROM pg_class WHERE relkind IN ('i', 'I') ORDER BY oid"
    upgrade(empty_database)
    before = owner.execute(oids).fetchall()

    upgrade(empty_database)

    assert owner.execute(oids).fetchall() == before


def test_a_build_that_fails_at_any_statement_goes_on(
    owner: Application, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut the build off after 1, 2, 3, ... statements."""
    upgrade(empty_database)
    statements = 0
    while True:
        owner.execute(f"DROP INDEX IF EXISTS {OPEN_INDEX}")
        for row in leftovers(owner):
            owner.execute(f"DROP INDEX {row['name']}")
        statements += 1
        with empty_database.connection() as connection:
            is_done = run_at_most(statements, connection, monkeypatch)
        assert (state_of(empty_database) is IndexState.READY) is is_done
        upgrade(empty_database)
        assert our_indexes(owner) == WHOLE
        if is_done:
            break

    assert statements > 5


def leftovers(owner: Application) -> list[dict[str, Any]]:
    return owner.execute(
        "SELECT c.oid::regclass::text AS name FROM pg_class c"
        " LEFT JOIN pg_inherits h ON h.inhrelid = c.oid"
        " WHERE c.relname LIKE %s AND h.inhparent IS NULL",
        [f"{OPEN_INDEX}%"],
    ).fetchall()


class CutOffError(Exception):
    """The connection is gone."""


def run_at_most(number: int, connection: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Build the index, but fail at the statement after `number`; return True if it was the last."""
    left = number
    run = type(connection).exec_driver_sql

    def count_and_run(self: Any, statement: str, *arguments: Any) -> Any:
        nonlocal left
        if any(word in statement for word in ("CREATE INDEX", "ALTER INDEX", "DROP INDEX")):
            left -= 1
            if left < 0:
                raise CutOffError
        return run(self, statement, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(type(connection), "exec_driver_sql", count_and_run)
        try:
            indexes.build_index(connection, DEFAULT_TABLE)
        except CutOffError:
            return False
    return True


def test_a_later_partition_gets_the_index_by_itself(
    owner: Application, empty_database: Database
) -> None:
    upgrade(empty_database)

    owner.execute("CREATE TABLE orders_3 PARTITION OF orders FOR VALUES FROM (3000) TO (4000)")

    assert our_indexes(owner) == WHOLE | {"orders_3": (True, True)}
    assert state_of(empty_database) is IndexState.READY


@pytest.fixture
def reader(empty_database_url: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with connect_application(empty_database_url) as connection:
        yield connection


def test_writers_do_not_queue_behind_a_statement_that_waits_for_a_lock(
    owner: Application,
    reader: psycopg.Connection[dict[str, Any]],
    empty_database: Database,
) -> None:
    """A long transaction keeps the table locked, so the upgrade waits, and no writer with it."""
    with ThreadPoolExecutor() as threads:
        with reader.transaction():
            reader.execute("UPDATE orders SET avg_price = 1 WHERE id = 500")
            upgrading = threads.submit(upgrade, empty_database)
            until(owner, IS_WAITING_FOR_A_LOCK, "reconciler test")
            owner.execute("UPDATE orders SET avg_price = 2 WHERE id = 1500")
        upgrading.result()

    assert our_indexes(owner) == WHOLE


def test_an_upgrade_that_never_gets_the_lock_says_what_to_look_for(
    reader: psycopg.Connection[dict[str, Any]],
    empty_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(indexes, "MAX_TRIES", 2)

    with (
        reader.transaction(),
        empty_database.connection() as connection,
    ):
        reader.execute("UPDATE orders SET avg_price = 1 WHERE id = 500")
        with pytest.raises(StoreUnavailable, match="look for long"):
            indexes.build_index(connection, DEFAULT_TABLE, lambda _: None)

    upgrade(empty_database)


HAS_WAITED_LONG: str = """
    SELECT EXISTS (
        SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE NOT l.granted AND c.relname = %s AND l.mode = 'AccessExclusiveLock'
            AND clock_timestamp() - l.waitstart >= make_interval(secs => %s / 1000.0)
    ) AS answer"""
TRANSACTION: str = """
    SELECT a.backend_xid, a.xact_start FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE NOT l.granted AND l.locktype = 'relation' AND a.datname = current_database()"""


def test_all_locks_of_a_dropped_index_share_the_time_that_a_writer_may_wait(
    owner: Application,
    reader: psycopg.Connection[dict[str, Any]],
    empty_database: Database,
) -> None:
    """One partition after another is locked for half of that time: two waits use it up."""
    upgrade(empty_database)
    owner.execute(f"CREATE INDEX {FORMER_INDEX} ON orders (last_synced_at)")
    partitions = [f"orders_{number}" for number in range(10, 18)]
    for number, partition in enumerate(partitions):
        owner.execute(
            f"CREATE TABLE {partition} PARTITION OF orders"
            f" FOR VALUES FROM ({3000 + number}) TO ({3001 + number})"
        )
    waits: Counter[object] = Counter()
    with ThreadPoolExecutor() as threads, empty_database.connection() as connection:
        with reader.transaction():
            for partition in reversed(partitions):
                reader.execute(f"SAVEPOINT {partition}; LOCK TABLE {partition} IN SHARE MODE")
            dropping = threads.submit(
                indexes.build_index, connection, DEFAULT_TABLE, lambda _: None
            )
            for partition in partitions:
                until(owner, HAS_WAITED_LONG, partition, indexes.LOCK_TIMEOUT_MS / 2)
                waiting = owner.execute(TRANSACTION).fetchone()
                reader.execute(f"ROLLBACK TO SAVEPOINT {partition}")
                if waiting is not None:
                    waits[waiting["xact_start"]] += 1
        dropping.result()

    assert max(waits.values()) <= 2
    assert our_indexes(owner).keys() >= {"orders", *partitions}
