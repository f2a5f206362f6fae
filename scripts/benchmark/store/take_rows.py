"""Workers that take their own rows from `orders`, in two ways; no process plans for them."""

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from scripts.benchmark.process_group import WorkerConfig
from scripts.benchmark.rows import BY_AGE, OLDEST_FIRST, Rows
from scripts.benchmark.store.decisions import COLUMNS, STALE, connect, write_decisions
from scripts.benchmark.store.single_process import SingleProcess

_TAKE = (
    f"SELECT {COLUMNS} FROM orders WHERE {STALE} ORDER BY {OLDEST_FIRST}"
    " LIMIT %s FOR UPDATE SKIP LOCKED"
)
_LEASE = (
    "UPDATE orders SET leased_by = %s, leased_until = now() + interval '1 minute'"
    f" WHERE id IN (SELECT id FROM orders WHERE {STALE}"
    " AND (leased_until IS NULL OR leased_until < now())"
    f" ORDER BY {OLDEST_FIRST} LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING {COLUMNS}"
)


@dataclass(frozen=True)
class StaleQueryHoldingLocks(SingleProcess):
    """Run the stale query in every worker, and hold its locks until the rows are written.

    The exchange would be asked meanwhile; here that takes no time.
    """

    name: str = "stale query in each worker, lock held"
    note: str = "psycopg, prepared statements; two statements a batch in one transaction"
    index: str = BY_AGE

    def worker_factory(self, config: WorkerConfig) -> "_LockHolder":
        """Open a connection."""
        return _LockHolder(config, self.rows)


@dataclass(frozen=True)
class LeaseColumns(SingleProcess):
    """Lease rows with two columns of `orders`, release the locks, then update the rows.

    No lock is held while the exchange would be asked; the price is that each row is written twice.
    """

    name: str = "lease columns on orders, then update"
    note: str = "psycopg, prepared statements; two transactions a batch, one statement each"
    index: str = BY_AGE
    writes_per_order: int = 2

    def worker_factory(self, config: WorkerConfig) -> "_Leaser":
        """Open a connection."""
        return _Leaser(config, self.rows)


class _RowTaker:
    """A connection, and the answers to write."""

    def __init__(self, config: WorkerConfig, rows: Rows) -> None:
        self._connection = connect(config.url)
        self._answers = rows.answers()
        self._config = config

    def close(self) -> None:
        self._connection.close()


class _LockHolder(_RowTaker):
    def run(self, _pipe: Connection) -> float:
        while True:
            with self._connection.transaction():
                rows = self._connection.execute(_TAKE, (self._config.batch_size,)).fetchall()
                if not rows:
                    return time.monotonic()
                write_decisions(self._connection, rows, self._answers)


class _Leaser(_RowTaker):
    def run(self, _pipe: Connection) -> float:
        lease = (self._config.number, self._config.batch_size)
        while rows := self._connection.execute(_LEASE, lease).fetchall():
            write_decisions(self._connection, rows, self._answers)
        return time.monotonic()
