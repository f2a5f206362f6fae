"""The lock that lets only one upgrade run at a time: the second waits until the first is done.

It is a transaction-level advisory lock on a connection of its own: the index is built outside of
any transaction, and a session-level lock would get lost behind a transaction-pooling PgBouncer.

The lock is polled: a statement that waits for it would hold a snapshot, and the concurrent index
build of the first upgrade would wait for that snapshot: a deadlock.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text

RETRY_SECONDS = 0.2

# An arbitrary lock number. Without parameters the query is sent as a simple query, which leaves no
# portal open that would keep a snapshot for as long as the lock is held.
_TRY_LOCK = text(
    "SELECT pg_try_advisory_xact_lock(8243104023216089452)"
    " FROM set_config('idle_in_transaction_session_timeout', '0', true)"
)


@contextmanager
def migration_lock(connection: Connection, sleep: Callable[[float], None]) -> Iterator[None]:
    """Hold the lock of the database of `connection`; wait for it if another upgrade has it."""
    engine = create_engine(
        connection.engine.url,
        pool=connection.engine.pool.recreate(),
        # A stricter level would keep its snapshot, and the index build would never finish.
        isolation_level="READ COMMITTED",
    )
    try:
        with engine.connect() as lock_connection:
            while not lock_connection.execute(_TRY_LOCK).scalar_one():
                lock_connection.rollback()
                sleep(RETRY_SECONDS)
            yield
    finally:
        engine.dispose()
