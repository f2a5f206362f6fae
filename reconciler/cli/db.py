"""`reconciler db`: our tables and the index in the application's database."""

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
from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.privileges import missing_read_privileges, missing_upgrade_privileges
from reconciler.store.tables import activity_log_problems, find_orders, schema_problems


@dataclass(frozen=True, kw_only=True)
class UpgradeResult:
    """What an upgrade did. `before` is None where there was nothing of ours."""

    before: str | None
    after: str | None
    changed: bool
    seconds: float

    def __str__(self) -> str:
        if not self.changed:
            return f"at revision {self.after} already: nothing to do"
        if self.before == self.after:
            return f"at revision {self.after}; what was missing was made, in {self.seconds:.1f} s"
        before, after = _revision_name(self.before), _revision_name(self.after)
        return f"upgraded from {before} to {after} in {self.seconds:.1f} s"


@click.group(
    "db",
    short_help="Make or upgrade our tables and the index.",
    epilog="""\b
Try it:
  reconciler db sql | less   read what would be done
  reconciler db upgrade      do it
  reconciler db current      see whether it is done""",
)
def db_command() -> None:
    """Make or upgrade our tables and the index on orders, in the database of DATABASE_URL.

    The table orders itself is the application's: it is never changed.
    """


@db_command.command(
    "upgrade",
    short_help="Bring our tables and the index to the newest revision.",
    epilog="""\b
Try it:
  reconciler db upgrade                 in the application's database
  reconciler db upgrade --with-orders   in an empty one, to try things out""",
)
@environment_option(
    "--with-orders",
    variable="RECONCILER_DB_WITH_ORDERS",
    help_text="Make a table orders too, if there is none: to try things out.",
    is_flag=True,
)
@json_option
def upgrade_command(*, with_orders: bool, as_json: bool) -> None:
    """Bring our tables and the index to the newest revision; a second time it does nothing.

    The application goes on writing meanwhile: the index is built concurrently. That waits for
    transactions that began before it; if it is interrupted, run this again.

    Ends with code 0 when done, 69 if the database does not answer, 78 if it does not fit or the
    role lacks a right: then nothing was changed.
    """
    with (
        open_database("db upgrade") as (database, _),
        show_activity("upgrading the database", is_transient=True),
    ):
        done = _upgrade(database, with_orders=with_orders)
    if as_json:
        print_json(asdict(done))
    else:
        click.echo(str(done))


@db_command.command("current", short_help="Show the revision, and whether it is the newest.")
@json_option
def current_command(*, as_json: bool) -> None:
    """Show the database's revision, and whether it is the newest.

    Ends with code 0 if it is, 1 if it is behind.
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
    sys.exit(Exit.GOOD if is_newest else Exit.INCOMPLETE)


@db_command.command("sql", short_help="Print what upgrade does, as SQL. Needs no database.")
def sql_command() -> None:
    """Print what upgrade does to a database without our tables, as SQL, and nothing else.

    For a database administrator to read and run. Needs no database and no settings.
    """
    click.echo(migrations.ddl(), nl=False)


def _upgrade(database: Database, *, with_orders: bool) -> UpgradeResult:
    """Upgrade, or refuse before anything is touched.

    Raises:
        ConfigurationError: something does not fit; carries every problem.
        StoreUnavailable: the database did not answer.
    """
    started = time.monotonic()
    with database.autocommit() as connection:
        before = migrations.current(connection)
        is_incomplete = before != migrations.head() or bool(schema_problems(connection))
        obstacles = missing_upgrade_privileges(connection) if is_incomplete else []
        obstacles += activity_log_problems(connection)
        obstacles += missing_read_privileges(connection) or (
            [] if with_orders else _orders_problems(connection)
        )
    if obstacles:
        raise SchemaMismatch(obstacles)
    if with_orders:
        with database.transaction() as connection:
            sample_orders.create_orders_table(connection)
    with database.connection() as connection, _knowing_revision(before):
        migrations.upgrade(connection)
    with database.autocommit() as connection:
        after = migrations.current(connection)
    return UpgradeResult(
        before=before,
        after=after,
        changed=is_incomplete,
        seconds=round(time.monotonic() - started, 3),
    )


def _orders_problems(connection: Connection) -> list[Problem]:
    try:
        find_orders(connection)
    except SchemaMismatch as error:
        return list(error.problems)
    return []


@contextmanager
def _knowing_revision(revision: str | None) -> Iterator[None]:
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
    return "no tables of ours" if revision is None else f"revision {revision}"
