"""`reconciler db`: create and upgrade our tables and the index in the application's database."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import click
from alembic.util import CommandError
from sqlalchemy import Connection

from reconciler.cli.database import open_database
from reconciler.cli.exit_codes import Exit
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.cli.ui.output import print_json
from reconciler.cli.ui.progress import show_activity
from reconciler.errors import ConfigurationError, Problem, SchemaMismatch
from reconciler.formatting import elapsed
from reconciler.settings import Settings
from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.orders_requirements import orders_problems
from reconciler.store.privileges import missing_read_privileges, missing_upgrade_privileges
from reconciler.store.side_table import (
    create_side_table,
    place_problems,
    read_side_table,
    side_table_ddl,
)
from reconciler.store.tables import activity_log_problems, schema_problems
from reconciler.store.user_table import UserTable


@dataclass(frozen=True, kw_only=True)
class UpgradeResult:
    """The result of an upgrade. `before` is None if there were no tables of ours."""

    before: str | None
    after: str | None
    changed: bool
    seconds: float

    def __str__(self) -> str:
        if not self.changed:
            return f"already at revision {self.after}: nothing to do"
        if self.before == self.after:
            return (
                f"at revision {self.after}; missing parts were created in {elapsed(self.seconds)}"
            )
        before, after = _revision_name(self.before), _revision_name(self.after)
        return f"upgraded from {before} to {after} in {elapsed(self.seconds)}"


side_table_option = environment_option(
    "--side-table",
    variable="RECONCILER_DB_SIDE_TABLE",
    help_text="Also create the table reconciliation_sync, which then has the times of the last sync"
    " instead of the column last_synced_at.",
    is_flag=True,
)


@click.group(
    "db",
    epilog="""\b
Try it:
  reconciler db sql | less   read the statements
  reconciler db upgrade      run them
  reconciler db current      see whether the database is up to date""",
)
def db_command() -> None:
    """Create or upgrade the reconciler's tables and its index, in the database of DATABASE_URL.

    The table orders belongs to the application: apart from the index it is never changed.
    """


@db_command.command(
    "upgrade",
    short_help="Create or upgrade the tables and the index.",
    epilog="""\b
Try it:
  reconciler db upgrade                 in the application's database
  reconciler db upgrade --side-table    without the column last_synced_at
  reconciler db upgrade --with-orders   in an empty database, for trials""",
)
@environment_option(
    "--with-orders",
    variable="RECONCILER_DB_WITH_ORDERS",
    help_text="Also create a table orders if there is none, for trials.",
    is_flag=True,
)
@side_table_option
@json_option
def upgrade_command(*, with_orders: bool, side_table: bool, as_json: bool) -> None:
    """Bring the reconciler's tables and index to the newest revision. A second time does nothing.

    The application can keep writing: the index is built concurrently. That waits for transactions
    that began before it. If it is interrupted, run this command again.

    Exits with code 0 when done; 69 if the database does not answer; 78 if it is not suitable or
    the role lacks a right, and then nothing was changed.
    """
    with (
        open_database("db upgrade") as (database, settings),
        show_activity("upgrading the database"),
    ):
        done = _upgrade(
            database,
            UserTable(settings.orders),
            with_orders=with_orders,
            with_side_table=side_table,
        )
    if as_json:
        print_json(asdict(done))
    else:
        click.echo(str(done))


@db_command.command("current", short_help="Show the revision, and whether it is the newest.")
@json_option
def current_command(*, as_json: bool) -> None:
    """Show the database's revision, and whether it is the newest.

    Exits with code 0 if it is, 1 if it is not.
    """
    with open_database("db current") as (database, _), database.autocommit() as connection:
        revision = migrations.current(connection)
    head = migrations.head()
    is_newest = revision == head
    if as_json:
        print_json({"revision": revision, "head": head, "up_to_date": is_newest})
    elif is_newest:
        click.echo(f"revision {revision}: up to date")
    else:
        click.echo(
            f"{_revision_name(revision)}, the newest revision is {head}: run reconciler db upgrade"
        )
    sys.exit(Exit.OK if is_newest else Exit.INCOMPLETE)


@db_command.command("sql", short_help="Print what upgrade does, as SQL.")
@side_table_option
def sql_command(*, side_table: bool) -> None:
    """Print the SQL that upgrade runs in a database without our tables, and nothing else.

    A database administrator can read and run it. Needs no database and no settings, but refuses a
    configuration file that has problems: it may describe another table.
    """
    if problems := Settings.config_problems():
        raise ConfigurationError(problems)
    table = UserTable(Settings.config_orders())
    if side_table or table.uses_side_table:
        click.echo(f"{side_table_ddl(table)};\n")
    click.echo(migrations.ddl(table), nl=False)


def _upgrade(
    database: Database, table: UserTable, *, with_orders: bool, with_side_table: bool = False
) -> UpgradeResult:
    """Upgrade, or refuse before anything is changed.

    Raises:
        ConfigurationError: the database is not suitable; names every problem.
        StoreUnavailable: the database did not answer.
    """
    started = time.monotonic()
    with database.autocommit() as connection:
        before = migrations.current(connection)
        wants_side_table = with_side_table or table.uses_side_table
        makes_side_table = wants_side_table and not read_side_table(connection)
        is_incomplete = (
            makes_side_table
            or before != migrations.head()
            or bool(schema_problems(connection, table))
        )
        obstacles = missing_upgrade_privileges(connection, table) if is_incomplete else []
        obstacles += activity_log_problems(connection)
        obstacles += _side_table_obstacles(connection, table, is_made=makes_side_table)
        obstacles += missing_read_privileges(connection, table) or (
            []
            if with_orders
            else _orders_problems(connection, table, with_side_table=wants_side_table)
        )
    if obstacles:
        raise SchemaMismatch(obstacles)
    if with_orders:
        with database.transaction() as connection:
            sample_orders.create_orders_table(connection)
    if makes_side_table:
        with database.transaction() as connection:
            create_side_table(connection, table)
    with database.connection() as connection, _reporting_unknown_revision(before):
        migrations.upgrade(connection, table)
    with database.autocommit() as connection:
        after = migrations.current(connection)
    return UpgradeResult(
        before=before,
        after=after,
        changed=is_incomplete,
        seconds=round(time.monotonic() - started, 3),
    )


def _orders_problems(
    connection: Connection, table: UserTable, *, with_side_table: bool
) -> list[Problem]:
    with_side_table = with_side_table or bool(read_side_table(connection))
    return orders_problems(connection, table, with_side_table=with_side_table)


def _side_table_obstacles(
    connection: Connection, table: UserTable, *, is_made: bool
) -> list[Problem]:
    """Name why the side table may not be made, or may not be there."""
    if not is_made:
        return place_problems(connection, table)
    if table.uses_side_table or "last_synced_at" not in table.config.columns.named:
        return []
    return [
        Problem(
            what="reconciler.toml has the times of the last sync in"
            f" {table.name}.{table.last_synced_at}, so they cannot be in a table of ours, too",
            hint='write last_synced_at = "side-table" in [orders.columns]',
        )
    ]


@contextmanager
def _reporting_unknown_revision(revision: str | None) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise ConfigurationError(
            [
                Problem(
                    what=f"the database is at {_revision_name(revision)}, which this version does"
                    f" not know ({error})",
                    hint="install the version that upgraded it, or a newer one",
                )
            ]
        ) from error


def _revision_name(revision: str | None) -> str:
    return "no revision" if revision is None else f"revision {revision}"
