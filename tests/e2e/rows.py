"""What is in the database, and when something new is."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

DEADLINE_SECONDS = 60.0

Connection = psycopg.Connection[tuple[object, ...]]


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Connect, every statement a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def hearing_changes(url: str) -> Iterator["Ear"]:
    """Hear every write of the activity log, as soon as it is committed."""
    with connected(url) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NOTIFY changes; RETURN NULL; END $$;"
            "CREATE OR REPLACE TRIGGER tell AFTER INSERT ON activity_log EXECUTE FUNCTION tell();"
            "LISTEN changes"
        )
        yield Ear(connection)


class Ear:
    """Waits for changes that others commit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def wait_for_change(self) -> None:
        """Wait until a batch with changes is committed that was not heard of before."""
        heard = list(self._connection.notifies(timeout=DEADLINE_SECONDS, stop_after=1))
        assert heard, "nothing was changed in time"


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
    """Return the orders that have not exactly one entry a change: the same change logged twice."""
    return connection.execute(
        "SELECT order_id, details->'to' FROM activity_log GROUP BY 1, 2 HAVING count(*) > 1"
    ).fetchall()


def changes_not_logged(connection: Connection) -> list[tuple[object, ...]]:
    """Return the orders whose row is not what its last entry says."""
    return connection.execute(
        "SELECT id FROM orders JOIN LATERAL (SELECT details->'to'->>'status' AS status"
        " FROM activity_log WHERE order_id = orders.id::text"
        " ORDER BY activity_log.id DESC LIMIT 1) AS last ON true"
        " WHERE last.status <> orders.status"
    ).fetchall()


def sessions_end(server_url: str, database: str) -> None:
    """Wait until nobody is connected to a database: PostgreSQL itself waits for that, 5 s at most.

    Raises:
        psycopg.errors.ObjectInUse: somebody still is.
    """
    name, other = sql.Identifier(database), sql.Identifier(f"{database}_renamed")
    with connected(server_url) as connection:
        for old, new in ((name, other), (other, name)):
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))
