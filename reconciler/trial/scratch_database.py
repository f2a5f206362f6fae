"""The scratch database to measure on: our own, or one that the user gives us.

In a given one we work in a schema of our own, or in several where several tables of orders are
compared, and drop them at the end. A database that seems to be in use is refused before anything
is written: the measurements load it fully for minutes.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, text

from reconciler.embedded import NEEDED_MEGABYTES, embedded_postgres
from reconciler.errors import ConfigurationError, Problem
from reconciler.store.database import Database

ROLE = "bench"
SCHEMA = "reconciler_bench"
MARK = "made by a measurement of the reconciler, which drops it"

# No vacuum or checkpoint may begin by itself during a round. And all contenders are open at once,
# with up to 64 workers each, and each worker has its own connections.
SETTINGS = {
    "autovacuum": "off",
    "max_connections": "2000",
    "max_wal_size": "4GB",
    "shared_buffers": "512MB",
}

_SCRATCH = (
    "give it an empty database of its own, for instance: createdb reconciler_bench and"
    " DATABASE_URL=postgresql:///reconciler_bench; or unset DATABASE_URL, and run it where no .env"
    " has it: then it starts a PostgreSQL of its own"
)

_OTHER_ORDERS = text(
    "SELECT quote_ident(schemaname) || '.orders' FROM pg_tables"
    " WHERE tablename = 'orders' AND schemaname <> ALL (:ours) ORDER BY 1 LIMIT 1"
)
_OURS = text(
    "SELECT nspname::text FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') = :mark"
)
_IS_TAKEN = text(
    "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = :schema AND nspname <> ALL (:ours))"
)
_MAY_CREATE = text("SELECT has_database_privilege(current_database(), 'CREATE')")
_IS_STANDBY = text("SELECT pg_is_in_recovery()")
_OTHERS = text(
    "SELECT DISTINCT COALESCE(NULLIF(a.application_name, ''), 'process ' || a.pid)"
    " FROM pg_stat_activity AS a LEFT JOIN pg_locks AS l"
    " ON l.pid = a.pid AND l.mode LIKE '%Exclusive%'"
    " AND l.relation IN (SELECT oid FROM pg_class WHERE relname = 'orders')"
    " WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()"
    " AND (l.pid IS NOT NULL OR a.application_name LIKE 'reconciler %') ORDER BY 1"
)
_FOLDER = text("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
_SPEED_SETTINGS = text(
    "SELECT name, current_setting(name) FROM pg_settings WHERE name IN ('autovacuum', 'fsync',"
    " 'full_page_writes', 'max_wal_size', 'shared_buffers', 'synchronous_commit', 'wal_level')"
    " ORDER BY name"
)


@dataclass(frozen=True, kw_only=True)
class ScratchDatabase:
    """A database to measure on. Every connection to `url` works in `schema`."""

    url: str
    database: Database
    schema: str = SCHEMA

    def settings(self) -> dict[str, str]:
        """Read the server's settings that decide about speed."""
        with self.database.autocommit() as connection:
            return {row[0]: row[1] for row in connection.execute(_SPEED_SETTINGS)}

    def server_version(self) -> str:
        """Read the server's version."""
        with self.database.autocommit() as connection:
            return str(connection.execute(text("SHOW server_version")).scalar_one())

    def clear(self) -> None:
        """Replace the schema by an empty one."""
        _make_schema(self.database, self.schema)

    @contextmanager
    def extra_schema(self, name: str) -> Iterator["ScratchDatabase"]:
        """Yield another schema next to this one, for a table of orders of its own."""
        schema = f"{self.schema}_{name}"
        _make_schema(self.database, schema)
        url = self.url.replace(_search_path(self.schema), _search_path(schema))
        try:
            with closing(Database(url, role=ROLE)) as database:
                yield ScratchDatabase(url=url, database=database, schema=schema)
        finally:
            _drop_schema(self.database, schema)


@contextmanager
def open_scratch_database(
    given_url: str | None, *, needed_megabytes: int, hint: str = _SCRATCH
) -> Iterator[ScratchDatabase]:
    """Yield the given database, or one of our own; leave nothing in it.

    `hint` says what to give where the given one is refused.

    Raises:
        ConfigurationError: the given one is refused, or there is no room.
        StoreUnavailable: it does not answer.
    """
    if given_url is not None:
        with _schema_in(given_url, needed_megabytes, hint) as scratch:
            yield scratch
        return
    _require_room(Path(tempfile.gettempdir()), needed_megabytes + NEEDED_MEGABYTES)
    with (
        embedded_postgres(settings=SETTINGS) as url,
        _schema_in(url, needed_megabytes, hint) as scratch,
    ):
        yield scratch


@contextmanager
def _schema_in(url: str, needed_megabytes: int, hint: str) -> Iterator[ScratchDatabase]:
    with closing(Database(url, role=ROLE)) as database:
        with database.autocommit() as connection:
            if problems := list(_refusals(connection, needed_megabytes, hint)):
                raise ConfigurationError(problems)
            left = _ours(connection)
        for schema in left:
            _drop_schema(database, schema)
        _make_schema(database, SCHEMA)
        try:
            separator = "&" if "?" in url else "?"
            ours = f"{url}{separator}options={_search_path(SCHEMA)}"
            with closing(Database(ours, role=ROLE)) as working:
                yield ScratchDatabase(url=ours, database=working)
        finally:
            _drop_schema(database, SCHEMA)


def _ours(connection: Connection) -> Sequence[str]:
    """Read the schemas made by measurements; existing ones were left by a killed measurement."""
    return connection.execute(_OURS, {"mark": MARK}).scalars().all()


def _make_schema(database: Database, schema: str) -> None:
    _drop_schema(database, schema)
    with database.transaction() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        connection.execute(text(f"COMMENT ON SCHEMA {schema} IS '{MARK}'"))


def _drop_schema(database: Database, schema: str) -> None:
    with database.transaction() as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))


def _search_path(schema: str) -> str:
    return quote(f"-csearch_path={schema}", safe="")


def _refusals(connection: Connection, needed_megabytes: int, hint: str) -> Iterator[Problem]:
    """Yield every reason not to use this database."""
    if connection.execute(_IS_STANDBY).scalar_one():
        yield Problem(what="the database is a standby: nothing can be written", hint=hint)
    if not connection.execute(_MAY_CREATE).scalar_one():
        yield Problem(what="the role may not create a schema in this database", hint=hint)
    ours = list(_ours(connection))
    other = connection.execute(_OTHER_ORDERS, {"ours": ours}).scalar()
    if other is not None:
        yield Problem(
            what=f"it has a table {other} that no measurement of ours made: the database is in use",
            hint=hint,
        )
    if connection.execute(_IS_TAKEN, {"schema": SCHEMA, "ours": ours}).scalar_one():
        yield Problem(
            what=f"the database has a schema {SCHEMA} that no measurement of ours made", hint=hint
        )
    if others := connection.execute(_OTHERS).scalars().all():
        yield Problem(
            what=f"others are at work on orders in this database: {', '.join(others)}",
            hint=f"end them if they are left over; else {hint}",
        )
    folder = connection.execute(_FOLDER).scalar()
    if folder is not None and Path(folder).is_dir():
        free = _free_megabytes(Path(folder))
        if free < needed_megabytes:
            yield _too_little_room(Path(folder), free, needed_megabytes)


def _require_room(folder: Path, needed: int) -> None:
    free = _free_megabytes(folder)
    if free < needed:
        raise ConfigurationError([_too_little_room(folder, free, needed)])


def _free_megabytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free // 2**20


def _too_little_room(folder: Path, free: int, needed: int) -> Problem:
    return Problem(
        what=f"{folder} has {free:,} MB free, these measurements need {needed:,}",
        hint="make room, measure with --quick or fewer --orders, or set TMPDIR to a folder on a"
        " larger disk",
    )
