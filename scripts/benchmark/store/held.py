"""Each worker runs the stale query itself, `FOR UPDATE SKIP LOCKED`, and holds the rows' locks.

The locks are held while the exchange would be asked, which here takes no time.
"""

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from scripts.benchmark.process_group import WorkerConfig
from scripts.benchmark.rows import Rows
from scripts.benchmark.store.changes import COLUMNS, OLDEST_FIRST, STALE, connect, write_changes
from scripts.benchmark.store.single_process import SingleProcess

_TAKE = (
    f"SELECT {COLUMNS} FROM orders WHERE {STALE} ORDER BY {OLDEST_FIRST}"
    " LIMIT %s FOR UPDATE SKIP LOCKED"
)


@dataclass(frozen=True)
class Held(SingleProcess):
    """The stale query in every worker."""

    name: str = "stale query in each worker, lock held"
    note: str = "psycopg, prepared statements; two statements a batch in one transaction"

    def opener(self, config: WorkerConfig) -> "_Worker":
        """Open a connection."""
        return _Worker(config, self.rows)


class _Worker:
    def __init__(self, config: WorkerConfig, rows: Rows) -> None:
        self._connection = connect(config.url)
        self._answers = rows.answers()
        self._batch_size = config.batch_size

    def close(self) -> None:
        self._connection.close()

    def run(self, _pipe: Connection) -> float:
        while True:
            with self._connection.transaction():
                rows = self._connection.execute(_TAKE, (self._batch_size,)).fetchall()
                if not rows:
                    return time.monotonic()
                write_changes(self._connection, rows, self._answers)
