"""What all contenders of the store have in common; most of their workers need no parent."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from reconciler.trial.scratch_database import Ground
from scripts.benchmark.process_group import Lead, Place, Team, Worker, no_lead
from scripts.benchmark.rows import Rows


@dataclass(frozen=True)
class Alone:
    """A contender whose workers take all the orders by themselves."""

    rows: Rows
    name: str = ""
    note: str = ""

    @property
    def orders(self) -> int:
        """How many orders it takes on in a round: all of them."""
        return self.rows.orders

    def opener(self, place: Place) -> Worker:
        """Make a worker, in its process."""
        raise NotImplementedError

    def prepare(self, ground: Ground) -> None:
        """Put the rows back."""
        self.rows.put_back(ground.database)

    @contextmanager
    def at_work(self, ground: Ground, places: Sequence[Place]) -> Iterator[Callable[[], float]]:
        """Start the workers; yield what lets them work and tells the seconds."""
        with Team(self.opener, places) as team, self._leading(ground, places) as lead:
            yield lambda: team.run(lead)

    def require_done(self, ground: Ground) -> None:
        """Make sure that the orders were changed and logged.

        Raises:
            BenchFailed: they were not.
        """
        self.rows.require_done(ground.database, self.name, self.orders)

    def _leading(self, _ground: Ground, _places: Sequence[Place]) -> AbstractContextManager[Lead]:
        """Open what the parent needs for its part of the work."""
        return nullcontext(no_lead)
