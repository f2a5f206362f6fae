"""Best-effort queries: on a connection of their own, or with a timeout, without raising."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconciler.errors import ReconcilerError
from reconciler.store.database import Database

T = TypeVar("T")

MAX_SECONDS = 3.0
"""A count for a person takes no longer than this, or is left out."""

_QUERY_CANCELED = "57014"


def query_on_own_connection(database_url: str, query: Callable[[Connection], T]) -> T | None:
    """Run a query in a transaction on a connection of its own; None if the database fails."""
    try:
        with (
            closing(Database(database_url, role="supervisor")) as database,
            database.transaction() as connection,
        ):
            return query(connection)
    except ReconcilerError:
        return None


def set_statement_timeout(connection: Connection, seconds: float) -> None:
    """Limit how long each statement of this transaction may take."""
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(seconds * 1000):d}")


def fetch_before_timeout(
    connection: Connection, statement: str, parameters: Mapping[str, Any]
) -> Sequence[Any] | None:
    """Return the rows; None if the statement timed out. The transaction stays usable.

    The statement goes to the driver as it is: a colon in it is no parameter.
    """
    try:
        with connection.begin_nested():
            return connection.exec_driver_sql(statement, dict(parameters)).all()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _QUERY_CANCELED:
            raise
        return None


def refusal_of(error: DBAPIError) -> str:
    """Return why PostgreSQL refuses a statement: the first line of its message.

    Raises:
        DBAPIError: the same error, if it says nothing of the statement: the connection is lost.
    """
    if not isinstance(error.orig, psycopg.Error) or error.connection_invalidated:
        raise error
    return str(error.orig).splitlines()[0]
