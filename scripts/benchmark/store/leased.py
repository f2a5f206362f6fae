"""Each worker leases rows with columns of `orders`, lets go of the locks, then updates them.

No lock is held while the exchange would be asked, at the price of writing every row twice.
"""

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from scripts.benchmark.process_group import WorkerConfig
from scripts.benchmark.rows import Rows
from scripts.benchmark.store.changes import COLUMNS, OLDEST_FIRST, STALE, connect, write_changes
from scripts.benchmark.store.single_process import SingleProcess

_LEASE = (
    "UPDATE orders SET leased_by = %s, leased_until = now() + interval '1 minute'"
    f" WHERE id IN (SELECT id FROM orders WHERE {STALE}"
    " AND (leased_until IS NULL OR leased_until < now())"
    f" ORDER BY {OLDEST_FIRST} LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING {COLUMNS}"
)


@dataclass(frozen=True)
class Leased(SingleProcess):
    """A lease, then the update."""

    name: str = "lease columns on orders, then update"
    note: str = "psycopg, prepared statements; two transactions a batch, one statement each"

    def opener(self, config: WorkerConfig) -> "_Worker":
        """Open a connection."""
        return _Worker(config, self.rows)


class _Worker:
    def __init__(self, config: WorkerConfig, rows: Rows) -> None:
        self._connection = connect(config.url)
        self._answers = rows.answers()
        self._place = config

    def close(self) -> None:
        self._connection.close()

    def run(self, _pipe: Connection) -> float:
        wanted = (self._place.number, self._place.batch_size)
        while rows := self._connection.execute(_LEASE, wanted).fetchall():
            write_changes(self._connection, rows, self._answers)
        return time.monotonic()
