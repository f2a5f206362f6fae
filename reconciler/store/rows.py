"""What is read or written by the thousand: statements and rows as the driver has them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, CursorResult
from sqlalchemy.dialects import postgresql

from reconciler.store.database import PREPARED


class Statement:
    """A statement of SQLAlchemy's, compiled once, prepared by the server where that can be.

    SQLAlchemy takes as long to recognise a large statement that it has compiled before as
    PostgreSQL takes to change a dozen rows. Its types convert nothing here: the driver does.
    """

    def __init__(self, statement: ClauseElement) -> None:
        """Compile `statement`. Parameters without a value are given when it is run."""
        compiled = statement.compile(dialect=postgresql.psycopg.dialect())  # type: ignore[no-untyped-call] # SQLAlchemy's
        self._text = str(compiled)
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> CursorResult[Any]:
        """Send it."""
        return connection.exec_driver_sql(
            self._text, {**self._constants, **parameters}, execution_options=PREPARED
        )


def fetch_plain(result: CursorResult[Any]) -> Sequence[tuple[Any, ...]]:
    """Fetch all rows as the driver's own tuples, in the order of the columns.

    SQLAlchemy's rows around them take longer to make than PostgreSQL takes to find a page of stale
    orders, and are slow to look into.
    """
    cursor = result.context.cursor
    assert cursor is not None  # noqa: S101 - a SELECT was sent
    rows = cursor.fetchall()
    result.close()
    return rows
