"""New databases for the tests: an emptied one serves again, if nothing in it tells the difference.

Creating a database copies some 300 files, which takes more processor time than most tests do.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from os import getpid
from typing import LiteralString

import psycopg
from psycopg import sql

from reconciler.store import migrations
from reconciler.store.user_table import DEFAULT_TABLE

_MAX_USES = 50
"""Each test leaves dead rows in the system's tables, which make all later look-ups slower."""

_numbers = count()

_END_SESSIONS: LiteralString = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"""

_EMPTY: LiteralString = """
    SET client_min_messages = warning;
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT nspname FROM pg_namespace
            WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
        CREATE SCHEMA public AUTHORIZATION pg_database_owner;
        GRANT USAGE ON SCHEMA public TO PUBLIC;
    END $$"""

_COUNTING: LiteralString = """
    SELECT string_agg(format('SELECT %L, count(*)::text FROM %s', relname, oid::regclass),
        ' UNION ALL ' ORDER BY relname)
    FROM pg_class
    WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
        AND relname <> 'pg_statistic'"""
"""Makes the statement that counts the rows of each system table. Statistics come by themselves."""

_SETTINGS: LiteralString = """
    SELECT (to_jsonb(pg_database) - '{oid,datname,datfrozenxid,datminmxid}'::text[])::text,
        (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = pg_database.oid)::text
    FROM pg_database WHERE datname = current_database()"""

Fingerprint = Sequence[tuple[str, ...]]


class Databases:
    """The databases of one server, for one test process."""

    def __init__(self, server: psycopg.Connection, server_url: str) -> None:
        """Create them through `server`, a connection that commits each statement."""
        self._server = server
        self._server_url = server_url
        self._spare: list[tuple[str, int]] = []
        self._new: Fingerprint | None = None

    @contextmanager
    def create(self) -> Iterator[str]:
        """Yield the URL of a database with nothing in it; end its sessions afterwards.

        No other has its name, before or after: a process that outlives its test finds none.
        """
        if self._spare:
            name, uses = self._spare.pop()
        else:
            name, uses = _new_name(), 0
            self._execute("CREATE DATABASE {}", name)
        yield self._url_of(name)
        self._server.execute(_END_SESSIONS, [name])
        emptied = _new_name()
        self._execute("ALTER DATABASE {} RENAME TO {}", name, emptied)
        if uses < _MAX_USES and self._is_as_new(emptied):
            self._spare.append((emptied, uses + 1))
        else:
            self._execute("DROP DATABASE {} WITH (FORCE)", emptied)

    def _is_as_new(self, name: str) -> bool:
        """Drop all that a test has made; return False if something of it is left."""
        if self._new is None:
            spare = _new_name()
            self._execute("CREATE DATABASE {}", spare)
            self._new = self._empty(spare)
            self._execute("DROP DATABASE {} WITH (FORCE)", spare)
        try:
            return self._empty(name) == self._new
        except psycopg.Error:
            return False  # Such as by a test's setting of the database: no transaction may write.

    def _empty(self, name: str) -> Fingerprint:
        with psycopg.connect(self._url_of(name), autocommit=True) as connection:
            connection.execute(_EMPTY)
            counting = connection.execute(_COUNTING).fetchall()[0][0]
            return [
                *connection.execute(counting).fetchall(),
                *connection.execute(_SETTINGS).fetchall(),
            ]

    def _execute(self, statement: LiteralString, *names: str) -> None:
        self._server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _url_of(self, name: str) -> str:
        return self._server_url.replace("/postgres?", f"/{name}?")


@cache
def our_ddl() -> str:
    """Return what `db upgrade` runs as one text, not concurrently: no other session writes."""
    return migrations.ddl(DEFAULT_TABLE).replace(" CONCURRENTLY", "")


def _new_name() -> str:
    return f"test_{getpid()}_{next(_numbers)}"
