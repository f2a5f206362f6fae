"""A short way to the driver for what is run for every batch: statements, arrays and rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from sqlalchemy import ClauseElement, Connection, CursorResult
from sqlalchemy.dialects import postgresql

from reconciler.store.database import LOST_STATEMENT_STATES

_RUNS_BEFORE_PREPARED = 2
_ROWS_AT_ONCE = 100


class PreparedStatement:
    """A statement that is run for every batch: compiled once, prepared unless a pooler is used.

    It goes straight to the driver: SQLAlchemy takes as long to recognise a large statement, and to
    describe what it returns, as PostgreSQL takes to change a dozen rows.
    """

    def __init__(self, statement: ClauseElement) -> None:
        """Compile `statement`. Parameters without a value are given to `run`."""
        compiled = statement.compile(dialect=postgresql.psycopg.dialect())  # type: ignore[no-untyped-call] # SQLAlchemy's
        self.text = str(compiled)
        self.constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        self._runs = 0

    def run(
        self, connection: Connection, parameters: Mapping[str, Any]
    ) -> Sequence[tuple[Any, ...]]:
        """Run it and return the rows. The first runs are not prepared: that takes a round trip."""
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the engine is made for it
        self._runs += 1
        try:
            return driver.execute(
                self.text,
                {**self.constants, **parameters},
                prepare=self._runs > _RUNS_BEFORE_PREPARED,
            ).fetchall()
        except psycopg.Error as error:
            if driver.closed or error.sqlstate in LOST_STATEMENT_STATES:
                connection.invalidate(error)
            raise


def array_literal(texts: Iterable[str]) -> str:
    """Return PostgreSQL's text for an array of texts that need no quotes.

    Faster than a list: there the driver inspects and converts every value.
    """
    return "{" + ",".join(texts) + "}"


def fetch_tuples(result: CursorResult[Any]) -> Iterator[tuple[Any, ...]]:
    """Fetch all rows as the driver's own tuples, in the order of the columns.

    SQLAlchemy's rows take longer to make than PostgreSQL takes to find a page of stale orders, and
    are slow to read. A few rows at once take half as long as all: their memory is used again.
    """
    cursor = result.context.cursor
    assert cursor is not None  # noqa: S101 - a SELECT was sent
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield from rows
    result.close()
