"""A job an order, by procrastinate.

As its documentation recommends: asynchronous tasks run concurrently in a worker, deferred in bulk;
done jobs are deleted, and no worker listens for new ones, since all are there. The queue's pool
serves the jobs as well; it commits by itself, which spares both their BEGIN and COMMIT.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.process_group import WorkerConfig
from scripts.benchmark.rows import Rows, stalest
from scripts.benchmark.store.decisions import blind_change
from scripts.benchmark.store.jobs import AT_ONCE, CHANGE, CONFIRM, share_of
from scripts.benchmark.store.single_process import SingleProcess

_CONFIRM = CONFIRM.format("%s")
_CHANGE = CHANGE.format("%s", "%s", "%s", "%s", "%s")
_TASK = "order"
CONNECTIONS = AT_ONCE + 2
"""One for each job under way, and for what the queue does meanwhile."""


@dataclass(frozen=True)
class ProcrastinateJobs(SingleProcess):
    """procrastinate."""

    name: str = "procrastinate, a job an order"
    note: str = (
        f"asynchronous tasks, concurrency {AT_ONCE}, {CONNECTIONS} connections a worker in"
        " autocommit, done jobs deleted, no LISTEN; queueing is not timed"
    )

    @property
    def orders(self) -> int:
        """A twentieth of them."""
        return share_of(self.rows, 20, 500)

    def prepare(self, scratch: ScratchDatabase) -> None:
        """Put the rows back, and queue the jobs in an empty queue."""
        super().prepare(scratch)
        with scratch.database.autocommit() as connection:
            ids = stalest(connection, self.orders)
        asyncio.run(_queue(scratch.url, [{"id_": id_} for id_ in ids]))

    def worker_factory(self, config: WorkerConfig) -> "_Worker":
        """Open the connections."""
        return _Worker(config, self.rows)


async def _queue(url: str, jobs: list[dict[str, Any]]) -> None:
    app = App(connector=PsycopgConnector(conninfo=url))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        async with app.open_async():
            found = await connection.execute("SELECT to_regclass('procrastinate_jobs')")
            if (await found.fetchall()) == [(None,)]:
                await app.schema_manager.apply_schema_async()
            await connection.execute("TRUNCATE procrastinate_jobs CASCADE")
            await app.configure_task(_TASK).batch_defer_async(*jobs)
        await connection.execute("VACUUM (ANALYZE) procrastinate_jobs")


class _Worker:
    def __init__(self, config: WorkerConfig, rows: Rows) -> None:
        logging.getLogger("procrastinate").setLevel(logging.ERROR)
        self._runner = asyncio.Runner()
        self._connector = PsycopgConnector(
            conninfo=config.url,
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            kwargs={"autocommit": True},
        )
        self._app = App(connector=self._connector)
        self._answers = rows.answers()
        self._finished = 0.0
        self._app.task(name=_TASK)(self._reconcile)
        self._runner.run(self._open())

    async def _open(self) -> None:
        await self._app.open_async()

    async def _reconcile(self, id_: int) -> None:
        values = blind_change(id_, self._answers[id_])
        async with self._connector.pool.connection() as connection:
            if values is None:
                await connection.execute(_CONFIRM, (id_,))
            else:
                await connection.execute(_CHANGE, values)
        self._finished = time.monotonic()

    def close(self) -> None:
        self._runner.run(self._app.close_async())
        self._runner.close()

    def run(self, _pipe: Connection) -> float:
        self._finished = time.monotonic()
        self._runner.run(
            self._app.run_worker_async(
                wait=False,
                concurrency=AT_ONCE,
                listen_notify=False,
                delete_jobs="successful",
                install_signal_handlers=False,
            )
        )
        return self._finished
