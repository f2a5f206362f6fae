"""The paper exchange's state: what its routes read and change."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reconciler.paper.auth import Access
from reconciler.paper.book import Book
from reconciler.paper.faults import FaultTable
from reconciler.paper.limits import WeightMeter
from reconciler.paper.orders import Seeding, write_orders


@dataclass(kw_only=True, slots=True)
class Tally:
    """What was asked since the start.

    Attributes:
        requests: Requests by route.
        rejected: Requests that were not answered with the truth, by HTTP status or "disconnected".
    """

    started_ms: int
    requests: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


@dataclass(kw_only=True, slots=True)
class PaperExchange:
    """One account at one exchange.

    Attributes:
        clock_ms: Tells the time in ms since 1970.
        sleep: Waits so many seconds; used for simulated latency only.
    """

    clock_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    tally: Tally
    access: Access = field(default_factory=Access)
    meter: WeightMeter = field(default_factory=WeightMeter)
    faults: FaultTable = field(default_factory=FaultTable)
    book: Book = field(default_factory=Book)

    def seed(self, seeding: Seeding) -> None:
        """Fill the book anew: whatever was in it is gone."""
        self.book = Book(write_orders(seeding, self.clock_ms()))
