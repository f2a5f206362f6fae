"""What all contenders of the store have in common; most of their workers need no parent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.process_group import Lead, ProcessGroup, RoundWorker, WorkerConfig, no_lead
from scripts.benchmark.rows import Rows


@dataclass(frozen=True)
class SingleProcess:
    """A contender whose workers take all the orders by themselves."""

    rows: Rows
    name: str = ""
    note: str = ""

    @property
    def orders(self) -> int:
        """How many orders it takes on in a round: all of them."""
        return self.rows.orders

    def opener(self, config: WorkerConfig) -> RoundWorker:
        """Make a worker, in its process."""
        raise NotImplementedError

    def prepare(self, scratch: ScratchDatabase) -> None:
        """Put the rows back."""
        self.rows.put_back(scratch.database)

    @contextmanager
    def at_work(
        self, scratch: ScratchDatabase, configs: Sequence[WorkerConfig]
    ) -> Iterator[Callable[[], float]]:
        """Start the workers; yield what lets them work and tells the seconds."""
        with ProcessGroup(self.opener, configs) as team, self._leading(scratch, configs) as lead:
            yield lambda: team.run(lead)

    def require_done(self, scratch: ScratchDatabase) -> None:
        """Make sure that the orders were changed and logged.

        Raises:
            BenchFailed: they were not.
        """
        self.rows.require_done(scratch.database, self.name, self.orders)

    def _leading(
        self, _ground: ScratchDatabase, _places: Sequence[WorkerConfig]
    ) -> AbstractContextManager[Lead]:
        """Open what the parent needs for its part of the work."""
        return nullcontext(no_lead)
