"""Finding and applying beside ever more ended orders: a table of each size, all of them in turns.

Measured one after another, a table of millions would be measured minutes after the small one, and
what else the machine does then would be taken for its cost.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from statistics import median

from sqlalchemy import text

from reconciler.bench.figures import Figure
from reconciler.bench.ground import Ground
from reconciler.bench.rounds import Progress
from reconciler.bench.rows import Rows, settle
from reconciler.bench.size import Size
from reconciler.bench.store.planned import Planned
from reconciler.bench.team import places_of
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.supervisor.summary import PAGE_ITEMS
from reconciler.worker.orders import OrderPlanner, OrderWorkload

STEP = 1_000_000
PAGES = 5
"""So many in a round, of which the median counts: one takes only hundredths of a second."""

_ENDED = text(
    "INSERT INTO orders (id, symbol, external_order_id, status, qty, executed_qty, avg_price,"
    " last_synced_at) SELECT n, 'SYM' || n % 12 || 'USDT', n::text, 'filled', 1, 1, 100,"
    " now() - interval '1 hour'"
    " FROM generate_series(cast(:first AS bigint), cast(:last AS bigint)) AS n"
)
_UNDO = text(
    "UPDATE orders AS o SET status = s.status, executed_qty = s.executed_qty,"
    " avg_price = s.avg_price, updated_at = s.updated_at, last_synced_at = s.last_synced_at"
    " FROM stencil AS s WHERE o.id = s.id AND s.status = 'new'"
)


@dataclass(frozen=True, kw_only=True)
class InPlace(Rows):
    """Rows that are put back where they are: a table of millions is not written anew."""

    def put_back(self, database: Database) -> None:
        """Undo a round's changes, and vacuum them away."""
        with database.transaction() as connection:
            connection.execute(_UNDO)
            connection.execute(text("TRUNCATE activity_log"))
        settle(database)


@dataclass(frozen=True, kw_only=True)
class Grown:
    """A table with so many `ended` orders, and what is at work on it."""

    ended: int
    ground: Ground
    contender: Planned
    planner: OrderPlanner
    work: Callable[[], float]

    @property
    def name(self) -> str:
        """What it is called in the table."""
        return f"beside {self.ended:,} ended"

    def page_ms(self) -> float:
        """Return what a page takes, arranged for the workers as it is."""
        started = time.perf_counter()
        self.planner.plan(PAGE_ITEMS, None)
        return (time.perf_counter() - started) * 1000


def beside_ended(
    ground: Ground, size: Size, ended_sizes: Sequence[int], on_progress: Progress
) -> Sequence[tuple[Figure, Figure]]:
    """Return, beside ever more ended orders, what a page of stale ones takes, and ours' rate."""
    rows = InPlace(orders=size.orders)
    with ExitStack() as stack:
        tables = [
            stack.enter_context(_table(ground, size, rows, ended, on_progress))
            for ended in ended_sizes
        ]
        pages: dict[int, list[float]] = {ended: [] for ended in ended_sizes}
        rates: dict[int, list[float]] = {ended: [] for ended in ended_sizes}
        for number in range(size.rounds):
            on_progress(f"round {number + 1} of {size.rounds}: beside ended orders")
            for table in tables:
                table.contender.prepare(table.ground)
            for ended, page_ms in _pages(tables).items():
                pages[ended].append(page_ms)
            for table in tables:
                rates[table.ended].append(rows.orders / table.work())
                table.contender.require_done(table.ground)
    return [
        (
            Figure(name=f"stale page, {table.name}", unit="ms", values=tuple(pages[table.ended])),
            Figure(
                name=f"plan and apply, {table.name}",
                unit="orders/s",
                values=tuple(rates[table.ended]),
            ),
        )
        for table in tables
    ]


def _pages(tables: Sequence[Grown]) -> dict[int, float]:
    """Read a page of each table in turns; return the median for each, without the first turn."""
    turns = [{table.ended: table.page_ms() for table in tables} for _ in range(1 + PAGES)]
    return {table.ended: median(turn[table.ended] for turn in turns[1:]) for table in tables}


@contextmanager
def _table(
    ground: Ground, size: Size, rows: InPlace, ended: int, on_progress: Progress
) -> Iterator[Grown]:
    """Write a table with so many ended orders, and open what works on it."""
    with ground.annex(str(ended)) as annex:
        rows.make(annex.database)
        Rows.put_back(rows, annex.database)
        for first in range(rows.total + 1, rows.total + ended + 1, STEP):
            on_progress(f"{first - rows.total - 1:,} of {ended:,} ended orders written")
            last = min(first + STEP - 1, rows.total + ended)
            with annex.database.transaction() as connection:
                connection.execute(_ENDED, {"first": first, "last": last})
        settings = Settings.load(database_url=annex.url)
        contender = Planned(rows)
        with (
            closing(OrderWorkload(settings=settings).open_planner()) as planner,
            contender.at_work(annex, places_of(annex.url, size)) as work,
        ):
            yield Grown(ended=ended, ground=annex, contender=contender, planner=planner, work=work)
