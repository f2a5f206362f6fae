"""Database connections for the pages: few, and each statement with a limit of time."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue

from sqlalchemy import Connection

from reconciler.errors import StoreUnavailable
from reconciler.settings import Settings
from reconciler.store.best_effort import set_statement_timeout
from reconciler.store.database import Database

READERS = 4
WRITERS = 3
"""Each is for a decision of one person. Those that nobody needs do not connect."""

STATEMENT_SECONDS = 5.0
WAIT_SECONDS = 4 * STATEMENT_SECONDS
"""Longer than a page of several slow statements lasts: then it is somebody else's turn."""


class DatabasePool:
    """Gives each page a connection for its transaction. Connects when first used."""

    def __init__(self, settings: Settings, *, wait_seconds: float = WAIT_SECONDS) -> None:
        """Prepare for the settings' database. A page waits `wait_seconds` for its turn.

        Raises:
            ConfigurationError: no database is set, or its URL is wrong.
        """
        url, scope = settings.required_database_url, settings.scope
        self._wait_seconds = wait_seconds
        self._readers = [
            Database(url, role="console", scope=scope, only_reads=True) for _ in range(READERS)
        ]
        self._writers = [
            Database(url, role="console", scope=scope, must_write=True) for _ in range(WRITERS)
        ]
        self._free_readers = _free(self._readers)
        self._free_writers = _free(self._writers)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run the block in a READ ONLY transaction.

        Raises:
            StoreUnavailable, ConfigurationError: as `Database.transaction`.
        """
        busy = (
            f"the database has worked on other pages of this console for {self._wait_seconds:.0f} s"
        )
        borrowed = _borrowed(self._free_readers, self._wait_seconds, busy)
        with borrowed as database, database.transaction() as connection:
            set_statement_timeout(connection, STATEMENT_SECONDS)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """Lend the database for a person's decision, which makes its own transactions.

        Raises:
            StoreUnavailable: as many other decisions as can be are still being written.
        """
        busy = f"{WRITERS} other decisions are still being written; try again when they have ended"
        with _borrowed(self._free_writers, self._wait_seconds, busy) as database:
            yield database

    def close(self) -> None:
        """End what still runs, and close the connections."""
        for database in (*self._readers, *self._writers):
            database.cancel()
            database.close()


def _free(databases: list[Database]) -> "LifoQueue[Database]":
    free: LifoQueue[Database] = LifoQueue()
    for database in databases:
        free.put(database)
    return free


@contextmanager
def _borrowed(free: "LifoQueue[Database]", seconds: float, busy: str) -> Iterator[Database]:
    try:
        database = free.get(timeout=seconds)
    except Empty:
        raise StoreUnavailable(busy) from None
    try:
        yield database
    finally:
        free.put(database)
