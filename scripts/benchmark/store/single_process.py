"""The base of the store's contenders; most of their workers need no parent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.process_group import (
    Coordinator,
    ProcessGroup,
    RoundWorker,
    WorkerConfig,
    no_coordinator,
)
from scripts.benchmark.rows import NO_INDEX, Rows


@dataclass(frozen=True)
class SingleProcess:
    """A contender whose workers take all the orders by themselves."""

    rows: Rows
    name: str = ""
    note: str = ""
    index: str = NO_INDEX
    """Creates the index that suits it best."""
    writes_per_order: int = 1
    """How often it writes the row of an order."""

    @property
    def orders(self) -> int:
        """The number of orders that it reconciles in a round: all of them."""
        return self.rows.orders

    def worker_factory(self, config: WorkerConfig) -> RoundWorker:
        """Make a worker, in its process."""
        raise NotImplementedError

    def prepare(self, scratch: ScratchDatabase) -> None:
        """Put the rows back."""
        self.rows.put_back(scratch.database, self.index)

    @contextmanager
    def at_work(
        self, scratch: ScratchDatabase, configs: Sequence[WorkerConfig]
    ) -> Iterator[Callable[[], float]]:
        """Start the workers; yield what lets them work and tells the seconds."""
        with (
            ProcessGroup(self.worker_factory, configs) as group,
            self._coordinating(scratch, configs) as coordinate,
        ):
            yield lambda: group.run(coordinate)

    def require_done(self, scratch: ScratchDatabase) -> None:
        """Make sure that the orders were reconciled, and changes logged.

        Raises:
            BenchFailed: they were not.
        """
        self.rows.require_done(scratch.database, self.name, self.orders)

    def _coordinating(
        self, _scratch: ScratchDatabase, _configs: Sequence[WorkerConfig]
    ) -> AbstractContextManager[Coordinator]:
        """Open what the parent needs for its part of the work."""
        return nullcontext(no_coordinator)
