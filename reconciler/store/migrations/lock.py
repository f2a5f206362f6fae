"""One upgrade at a time: whoever comes second waits until the first is done.

The lock is a transaction's, open on a connection of its own: the index is built outside of any
transaction, and a session's lock would get lost behind a transaction-pooling PgBouncer.

It is asked for again and again, not waited for: a statement that waits holds a snapshot, and the
concurrent build of the first would wait for that snapshot to go, each for the other for ever.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text

RETRY_SECONDS = 0.2

# The number is any that nobody else takes. No parameters: sent as a simple query, it leaves no
# portal open that would keep its snapshot for as long as the lock is held.
_ASK = text(
    "SELECT pg_try_advisory_xact_lock(8243104023216089452)"
    " FROM set_config('idle_in_transaction_session_timeout', '0', true)"
)


@contextmanager
def migration_lock(connection: Connection, sleep: Callable[[float], None]) -> Iterator[None]:
    """Wait until nobody else upgrades the database of `connection`, and keep others waiting."""
    engine = create_engine(
        connection.engine.url,
        pool=connection.engine.pool.recreate(),
        # A stricter one would keep its snapshot, and the index would never be done.
        isolation_level="READ COMMITTED",
    )
    try:
        with engine.connect() as asking:
            while not asking.execute(_ASK).scalar_one():
                asking.rollback()
                sleep(RETRY_SECONDS)
            yield
    finally:
        engine.dispose()
