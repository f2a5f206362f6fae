"""The reconciler: the parent plans and dispatches, workers decide, compare and set.

The planner, the queues and the apply step are the product's own. Only the exchange is missing: its
answers are in the workers' memory.
"""

import time
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from sqlalchemy import text

from reconciler.orders.planner import OrderPlanner
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.supervisor.dispatcher import Dispatcher
from reconciler.supervisor.options import PAGE_ITEMS
from reconciler.trial.scratch_database import ScratchDatabase
from reconciler.workload import Page
from scripts.benchmark.process_group import Coordinator, WorkerConfig
from scripts.benchmark.rows import BY_SYMBOL, Rows
from scripts.benchmark.store.apply_step import ApplyStep
from scripts.benchmark.store.single_process import SingleProcess


@dataclass(frozen=True)
class OurWriter(SingleProcess):
    """Our plan and apply step."""

    name: str = "reconciler: plan, compare and set"
    note: str = "planner, queues and apply step of the product; one round trip for 200 orders"
    index: str = BY_SYMBOL

    def worker_factory(self, config: WorkerConfig) -> "_Worker":
        """Open a connection and prepare the statements."""
        return _Worker(config, self.rows)

    @contextmanager
    def _coordinating(
        self, scratch: ScratchDatabase, configs: Sequence[WorkerConfig]
    ) -> Iterator[Coordinator]:
        """Open the planner, which requires the index."""
        with scratch.database.transaction() as connection:
            connection.execute(text(self.index))
        settings = Settings.load(database_url=scratch.url)
        batch_size = configs[0].batch_size
        with (
            closing(OrderWorkload(settings=settings).open_planner()) as planner,
            ThreadPoolExecutor(1, "planner") as thread,
        ):
            yield lambda pipes: _Dispatching(planner, thread, pipes, batch_size).run()


class _Worker:
    def __init__(self, config: WorkerConfig, rows: Rows) -> None:
        self._database = Database(config.url, role="bench")
        self._step = ApplyStep(self._database, rows_per_transaction=config.batch_size)
        self._answers = rows.answers()

    def close(self) -> None:
        self._database.close()

    def run(self, pipe: Connection) -> float:
        finished = time.monotonic()
        while (batch := pipe.recv()) is not None:
            self._step.apply(batch, self._answers)
            finished = time.monotonic()
            pipe.send(batch.number)
        return finished


class _Dispatching:
    """Page after page, each planned while the one before is worked on; batches to idle workers."""

    def __init__(
        self,
        planner: OrderPlanner,
        thread: ThreadPoolExecutor,
        pipes: Sequence[Connection],
        batch_size: int,
    ) -> None:
        self._planner = planner
        self._thread = thread
        self._pipes = pipes
        self._dispatch = Dispatcher(len(pipes), batch_size=batch_size)
        self._idle = set(range(len(pipes)))
        self._planning: Future[Page] | None = None
        self._bell, self._rope = Pipe(duplex=False)

    def run(self) -> None:
        """Do it all."""
        with self._bell, self._rope:
            self._plan(None)
            while self._planning is not None or len(self._idle) < len(self._pipes):
                for ready in wait([*self._pipes, self._bell]):
                    assert isinstance(ready, Connection)  # noqa: S101 - nothing else was waited for
                    self._hear(ready)
                self._assign_batch()
        for pipe in self._pipes:
            pipe.send(None)

    def _plan(self, after: Hashable | None) -> None:
        self._planning = self._thread.submit(self._planner.plan, PAGE_ITEMS, after)
        self._planning.add_done_callback(lambda _: self._rope.send(None))

    def _hear(self, ready: Connection) -> None:
        said = ready.recv()
        if ready is not self._bell:
            shard = self._pipes.index(ready)
            self._dispatch.done(shard, said)
            self._idle.add(shard)
        elif self._planning is not None:
            page, self._planning = self._planning.result(), None
            self._dispatch.add(page.chunks, cycle=0)
            if page.next is not None:
                self._plan(page.next)

    def _assign_batch(self) -> None:
        for shard in sorted(self._idle):
            batch = self._dispatch.next_batch(shard)
            if batch is not None:
                self._pipes[shard].send(batch)
                self._idle.discard(shard)
