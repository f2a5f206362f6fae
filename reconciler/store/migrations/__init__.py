"""The migrations of our tables: one file for each revision in versions/, run by Alembic.

The version table is our own, so that it never conflicts with the application's Alembic. Supervisor
and workers import nothing from here: Alembic would take 9 MiB of memory.
"""

import io
import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from reconciler.errors import SchemaMismatch
from reconciler.store.migrations.indexes import build_index
from reconciler.store.migrations.lock import migration_lock
from reconciler.store.open_index import index_build_problems
from reconciler.store.orders_table import read_orders_table
from reconciler.store.tables import VERSION_TABLE, activity_log_problems
from reconciler.store.user_table import DEFAULT_TABLE, UserTable


def upgrade(
    connection: Connection, table: UserTable, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Bring our tables and index to the newest revision. Running it twice changes nothing.

    No transaction may have begun on `connection`: the index is built concurrently, which does not
    block the application's writes. An index that was dropped or has become invalid is built again.
    Waits while another upgrade is running.

    Raises:
        SchemaMismatch: the user's table, or the application's own `activity_log`, does not fit.
            Nothing was changed.
    """
    with migration_lock(connection, sleep):
        _check_application_tables(connection, table)
        command.upgrade(_config(table, connection), "head")
        build_index(connection, table, sleep)


def current(connection: Connection) -> str | None:
    """Return the revision the database is at; None before the first."""
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def head() -> str | None:
    """Return the newest revision that this version of the program knows."""
    return ScriptDirectory.from_config(_config(DEFAULT_TABLE)).get_current_head()


def ddl(table: UserTable) -> str:
    """Return all migrations as SQL, for a database administrator to read and run.

    It is for a table without partitions: those of others are not known here.
    """
    output = io.StringIO()
    command.upgrade(_config(table, output=output), "head", sql=True)
    return output.getvalue()


def _check_application_tables(connection: Connection, table: UserTable) -> None:
    """Check that the user's table, and an `activity_log` of theirs, have the columns that we need.

    Raises:
        SchemaMismatch: they do not.
    """
    read_orders_table(connection, table)  # Raises if the table is not suitable.
    problems = activity_log_problems(connection) + index_build_problems(connection, table)
    connection.rollback()  # End the transaction that the reads have begun.
    if problems:
        raise SchemaMismatch(problems)


def _config(
    table: UserTable, connection: Connection | None = None, output: io.StringIO | None = None
) -> Config:
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["table"] = table
    return config
