"""The reconciler: the parent plans and dispatches, workers lock by id, decide and write.

The planner, the queues and the apply step are the product's own. Only the exchange is missing: its
answers are in the workers' memory.
"""

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from reconciler.domain.decide import decide
from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.orders.chunking import split_for_transactions
from reconciler.orders.planner import OrderPlanner
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.stale import StaleOrder
from reconciler.store.tables import read_orders_table
from reconciler.supervisor.dispatcher import Dispatcher
from reconciler.supervisor.options import PAGE_ITEMS
from reconciler.trial.scratch_database import ScratchDatabase
from reconciler.workload import Batch, Page
from scripts.benchmark.process_group import Coordinator, WorkerConfig
from scripts.benchmark.rows import EXCHANGE, Rows
from scripts.benchmark.store.changes import POLICY
from scripts.benchmark.store.single_process import SingleProcess


@dataclass(frozen=True)
class OurWriter(SingleProcess):
    """Our plan and locked apply."""

    name: str = "reconciler: plan, lock by id, apply"
    note: str = "planner, queues and apply step of the product; four round trips a batch"

    def worker_factory(self, config: WorkerConfig) -> "_Worker":
        """Open a connection and prepare the statements."""
        return _Worker(config, self.rows)

    @contextmanager
    def _coordinating(
        self, scratch: ScratchDatabase, configs: Sequence[WorkerConfig]
    ) -> Iterator[Coordinator]:
        """Open the planner."""
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
        with self._database.autocommit() as connection:
            orders = read_orders_table(connection)
        self._step = OrderWriter(orders, exchange=EXCHANGE, decide=partial(decide, policy=POLICY))
        self._answers = rows.answers()
        self._batch_size = config.batch_size

    def close(self) -> None:
        self._database.close()

    def run(self, pipe: Connection) -> float:
        finished = time.monotonic()
        while (batch := pipe.recv()) is not None:
            self._apply(batch)
            finished = time.monotonic()
            pipe.send(batch.number)
        return finished

    def _apply(self, batch: Batch) -> None:
        orders: list[StaleOrder] = [order for chunk in batch.chunks for order in chunk.items]
        answers: Mapping[OrderId, Answer] = {
            order.id: self._answers[int(order.id)] for order in orders
        }
        seen = {order.id: order.facts for order in orders}
        for some in split_for_transactions(answers, self._batch_size):
            with self._database.transaction() as connection:
                self._step.apply(connection, some, seen)


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
