"""The limit: what PostgreSQL can do on this machine with these rows.

Each connection confirms, changes and logs its share of the orders by one statement, which makes
everything up by itself. Nothing is read, decided or sent; nothing can be faster and write the same.
"""

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from scripts.benchmark.process_group import WorkerConfig
from scripts.benchmark.rows import CHANGES, Rows
from scripts.benchmark.store.decisions import connect
from scripts.benchmark.store.single_process import SingleProcess

_OURS = "id >= {first} AND id < {end} AND status = 'new'"
_STATEMENT = (
    "WITH changed AS (UPDATE orders SET status = 'filled', executed_qty = qty,"
    " avg_price = 100 + id % 1000 / 8.0, last_synced_at = now(), updated_at = now()"
    f" WHERE {_OURS} AND {CHANGES} RETURNING *),"
    " confirmed AS (UPDATE orders SET last_synced_at = now()"
    f" WHERE {_OURS} AND NOT ({CHANGES}))"
    " INSERT INTO activity_log (order_id, action, details, created_at)"
    " SELECT id::text, 'reconciliation.update', jsonb_build_object("
    "'from', jsonb_build_object('status', 'new', 'executed_qty', '0', 'avg_price', NULL),"
    " 'to', jsonb_build_object('status', status, 'executed_qty', executed_qty::text,"
    " 'avg_price', avg_price::text),"
    " 'exchange', 'bench', 'rule', 'progress', 'fetched_at', now()::text,"
    " 'report', jsonb_build_object('symbol', symbol, 'external_order_id', external_order_id,"
    " 'word', 'FILLED', 'status', status, 'executed_qty', executed_qty::text,"
    " 'avg_price', avg_price::text)), now() FROM changed"
)


def statement_for(rows: Rows, first: int, end: int) -> str:
    """Return the statement that reconciles the open orders from the id `first` to before `end`."""
    return _STATEMENT.format(
        first=first, end=end, spacing=rows.spacing, percent=rows.changed_percent
    )


@dataclass(frozen=True)
class Limit(SingleProcess):
    """One statement a connection."""

    name: str = "limit: one statement a connection"
    note: str = "each connection a share of the ids; no worker reads, decides or sends a row"

    def worker_factory(self, config: WorkerConfig) -> "_Worker":
        """Open a connection."""
        share = self.rows.total / config.of
        first, last = round(share * config.number), round(share * (config.number + 1))
        return _Worker(config.url, statement_for(self.rows, first + 1, last + 1))


class _Worker:
    def __init__(self, url: str, statement: str) -> None:
        self._connection = connect(url)
        self._statement = statement.encode()

    def close(self) -> None:
        self._connection.close()

    def run(self, _pipe: Connection) -> float:
        self._connection.execute(self._statement)
        return time.monotonic()
