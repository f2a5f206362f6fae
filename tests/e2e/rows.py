"""Rows of the database, and a listener for changes of them."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from .commands import DEADLINE_SECONDS

Connection = psycopg.Connection[tuple[object, ...]]


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Connect in autocommit mode."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def listening_for_changes(url: str) -> Iterator["ChangeListener"]:
    """Listen for every write of the activity log, as soon as it is committed."""
    with connected(url) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NOTIFY changes; RETURN NULL; END $$;"
            "CREATE OR REPLACE TRIGGER announce AFTER INSERT ON activity_log"
            " EXECUTE FUNCTION announce();"
            "LISTEN changes"
        )
        yield ChangeListener(connection)


class ChangeListener:
    """Waits for changes that other sessions commit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: deque[psycopg.Notify] = deque()

    def wait_for_change(self) -> None:
        """Wait until a transaction with changes is committed that was not waited for before.

        On a busy machine several come at once: each counts for one call.
        """
        assert self.has_change_within(DEADLINE_SECONDS), "nothing was changed in time"

    def has_change_within(self, seconds: float) -> bool:
        """Wait for such a transaction; return True if one came in time."""
        if not self._waiting:
            self._waiting += self._connection.notifies(timeout=seconds, stop_after=1)
        return bool(self._waiting and self._waiting.popleft())


def count(connection: Connection, condition: str, table: str = "orders") -> int:
    """Count the rows that meet a condition."""
    statement = sql.SQL("SELECT count(*) FROM {} WHERE {}").format(
        sql.Identifier(table),
        sql.SQL(condition),
    )
    row = connection.execute(statement).fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


def orders_changed_twice(connection: Connection) -> list[tuple[object, ...]]:
    """Return the orders with two log entries for the same change."""
    return connection.execute(
        "SELECT order_id, details->'to' FROM activity_log GROUP BY 1, 2 HAVING count(*) > 1"
    ).fetchall()


def changes_not_logged(connection: Connection) -> list[tuple[object, ...]]:
    """Return the orders whose status differs from their last log entry."""
    return connection.execute(
        "SELECT id FROM orders JOIN LATERAL (SELECT details->'to'->>'status' AS status"
        " FROM activity_log WHERE order_id = orders.id::text"
        " ORDER BY activity_log.id DESC LIMIT 1) AS last ON true"
        " WHERE last.status <> orders.status"
    ).fetchall()


def sessions_end(server_url: str, database: str) -> None:
    """Wait until a database has no sessions: PostgreSQL itself waits for that, for up to 5 s.

    Raises:
        psycopg.errors.ObjectInUse: there still is a session.
    """
    name, other = sql.Identifier(database), sql.Identifier(f"{database}_renamed")
    with connected(server_url) as connection:
        for old, new in ((name, other), (other, name)):
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))
