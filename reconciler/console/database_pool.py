"""Database connections for the pages: few, and each statement with a limit of time."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue

from sqlalchemy import Connection

from reconciler.errors import StoreUnavailable
from reconciler.settings import Settings
from reconciler.store.best_effort import set_statement_timeout
from reconciler.store.database import Database

CONNECTIONS = 4
STATEMENT_SECONDS = 5.0
WAIT_SECONDS = 5.0


class DatabasePool:
    """Gives each page a connection for its transaction. Connects when first used."""

    def __init__(self, settings: Settings) -> None:
        """Prepare for the settings' database.

        Raises:
            ConfigurationError: no database is set, or its URL is wrong.
        """
        url, scope = settings.required_database_url, settings.scope
        self._readers = [
            Database(url, role="console", scope=scope, only_reads=True) for _ in range(CONNECTIONS)
        ]
        self._writers = [Database(url, role="console", scope=scope, must_write=True)]
        self._free_readers = _free(self._readers)
        self._free_writers = _free(self._writers)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Run the block in a READ ONLY transaction.

        Raises:
            StoreUnavailable, ConfigurationError: as `Database.transaction`.
        """
        with _borrowed(self._free_readers) as database, database.transaction() as connection:
            set_statement_timeout(connection, STATEMENT_SECONDS)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """Lend the database for a person's decision, which makes its own transactions.

        Raises:
            StoreUnavailable: another decision is still being written.
        """
        with _borrowed(self._free_writers) as database:
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
def _borrowed(free: "LifoQueue[Database]") -> Iterator[Database]:
    try:
        database = free.get(timeout=WAIT_SECONDS)
    except Empty:
        raise StoreUnavailable(
            "the database answers other pages of this console at the moment"
        ) from None
    try:
        yield database
    finally:
        free.put(database)
