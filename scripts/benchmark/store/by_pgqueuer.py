"""A job an order, by pgqueuer.

As its documentation recommends: asyncpg, uvloop, jobs queued in bulk, its own autovacuum settings,
one connection for the queue. The jobs have a pool, so that their commits are waited for together.
It takes as many jobs at once as the others' batches have orders, and acknowledges as many at once.
"""

import asyncio
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import asyncpg
import uvloop
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.process_group import WorkerConfig
from scripts.benchmark.rows import Rows, stalest
from scripts.benchmark.store.decisions import blind_change
from scripts.benchmark.store.jobs import AT_ONCE, CHANGE, CONFIRM, share_of
from scripts.benchmark.store.single_process import SingleProcess

_CONFIRM = CONFIRM.format("$1")
_CHANGE = CHANGE.format("$1", "$2", "$3", "$4", "$5")
_ENTRY = "order"


@dataclass(frozen=True)
class PgqueuerJobs(SingleProcess):
    """pgqueuer."""

    name: str = "pgqueuer, a job an order"
    note: str = (
        f"asyncpg, uvloop, {AT_ONCE + 1} connections a worker, batch_size as the others' batches,"
        " optimize_autovacuum; queueing, and what it does after its last job, are not timed"
    )

    @property
    def orders(self) -> int:
        """A fifth of them."""
        return share_of(self.rows, 5, 1000)

    def prepare(self, scratch: ScratchDatabase) -> None:
        """Put the rows back, and queue the jobs in an empty queue."""
        super().prepare(scratch)
        with scratch.database.autocommit() as connection:
            ids = stalest(connection, self.orders)
        asyncio.run(_queue(scratch.url, [str(id_).encode() for id_ in ids]))

    def worker_factory(self, config: WorkerConfig) -> "_Worker":
        """Open the connections."""
        return _Worker(config, self.rows)


async def _queue(url: str, payloads: list[bytes]) -> None:
    connection = await asyncpg.connect(url)
    try:
        queries = Queries(AsyncpgDriver(connection))
        if not await queries.has_table("pgqueuer"):
            await queries.install()
            await queries.optimize_autovacuum()
        await connection.execute("TRUNCATE pgqueuer, pgqueuer_log, pgqueuer_statistics")
        many = len(payloads)
        await queries.enqueue([_ENTRY] * many, list(payloads), [0] * many)
        await connection.execute("VACUUM (ANALYZE) pgqueuer")
    finally:
        await connection.close()


class _Worker:
    def __init__(self, config: WorkerConfig, rows: Rows) -> None:
        self._place = config
        self._answers = rows.answers()
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._queue, self._orders = self._runner.run(self._connect())

    async def _connect(self) -> tuple[Any, Any]:
        url = self._place.url
        return (
            await asyncpg.connect(url),
            await asyncpg.create_pool(url, min_size=AT_ONCE, max_size=AT_ONCE),
        )

    def close(self) -> None:
        for connections in (self._queue, self._orders):
            self._runner.run(connections.close())
        self._runner.close()

    def run(self, _pipe: Connection) -> float:
        return self._runner.run(self._work())

    async def _work(self) -> float:
        finished = time.monotonic()
        manager = QueueManager(Queries(AsyncpgDriver(self._queue)))

        @manager.entrypoint(_ENTRY)
        async def reconcile(job: Job) -> None:
            nonlocal finished
            id_ = int(job.payload or b"")
            values = blind_change(id_, self._answers[id_])
            if values is None:
                await self._orders.execute(_CONFIRM, id_)
            else:
                await self._orders.execute(_CHANGE, *values)
            finished = time.monotonic()

        await manager.run(batch_size=self._place.batch_size, mode=QueueExecutionMode.drain)
        return finished
