"""Our tables' history: one revision a file in versions/, run by Alembic.

The version table is our own, so that it never meets the application's Alembic.
"""

import io
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

VERSION_TABLE = "reconciler_alembic_version"


def upgrade(connection: Connection) -> None:
    """Bring our tables and index to the newest revision. Running it twice changes nothing.

    No transaction may have begun on `connection`: the index is built concurrently, outside of any,
    which never blocks the application's writes.
    """
    command.upgrade(_config(connection), "head")


def current(connection: Connection) -> str | None:
    """Return the revision the database is at; None before the first."""
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def head() -> str | None:
    """Return the newest revision that this version of the program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def ddl() -> str:
    """Return all of it as SQL, for a database administrator to read and run."""
    output = io.StringIO()
    command.upgrade(_config(output=output), "head", sql=True)
    return output.getvalue()


def _config(connection: Connection | None = None, output: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
