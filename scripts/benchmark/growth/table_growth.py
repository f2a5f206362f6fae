"""Finding and writing among ever more ended orders: a table of each size, all in turns.

Measured one after another, a table of millions would be measured minutes after the small one, and
what else the machine does then would be taken for its cost.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from statistics import median

from sqlalchemy import text

from reconciler.orders.planner import OrderPlanner
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.supervisor.options import PAGE_ITEMS
from reconciler.trial.orders_snapshot import settle
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Figure
from scripts.benchmark.process_group import worker_configs
from scripts.benchmark.rounds import Progress
from scripts.benchmark.rows import BY_SYMBOL, Rows
from scripts.benchmark.size import Size
from scripts.benchmark.store.planned import OurWriter

STEP = 1_000_000
PAGES = 5
"""Pages in a round, of which the median counts: one takes only hundredths of a second."""

_ENDED = text(
    "INSERT INTO orders (id, symbol, external_order_id, status, qty, executed_qty, avg_price,"
    " last_synced_at) SELECT n, 'SYM' || n % 12 || 'USDT', n::text, 'filled', 1, 1, 100,"
    " now() - interval '1 hour'"
    " FROM generate_series(cast(:first AS bigint), cast(:last AS bigint)) AS n"
)
_FLUSH = text("SELECT pg_stat_force_next_flush()")
_BLOCKS = text(
    "SELECT heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read"
    " FROM pg_statio_user_tables WHERE relid = to_regclass('orders')"
)
_UNDO = text(
    "UPDATE orders AS o SET status = s.status, executed_qty = s.executed_qty,"
    " avg_price = s.avg_price, updated_at = s.updated_at, last_synced_at = s.last_synced_at"
    " FROM orders_snapshot AS s WHERE o.id = s.id AND s.status = 'new'"
)


@dataclass(frozen=True, kw_only=True)
class InPlace(Rows):
    """Rows that are put back where they are: a table of millions is not rewritten."""

    def put_back(self, database: Database, index: str = BY_SYMBOL) -> None:
        """Undo a round's changes, and vacuum them away. The index is always `BY_SYMBOL`."""
        assert index == BY_SYMBOL  # noqa: S101 - only ours works on it
        with database.transaction() as connection:
            connection.execute(_UNDO)
            connection.execute(text("TRUNCATE activity_log"))
        settle(database)


@dataclass(kw_only=True)
class GrownTable:
    """A table with `ended` orders, the contender that works on it, and what was measured."""

    ended: int
    scratch: ScratchDatabase
    contender: OurWriter
    planner: OrderPlanner
    work: Callable[[], float]
    pages_ms: list[float] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def page_ms(self) -> float:
        """Return what a page takes, arranged for the workers as it is."""
        started = time.perf_counter()
        self.planner.plan(PAGE_ITEMS, None)
        return (time.perf_counter() - started) * 1000

    def page_blocks(self) -> float:
        """Return how many blocks of the table and its indexes a page touches."""
        before = self._blocks_touched()
        self.planner.plan(PAGE_ITEMS, None)
        return self._blocks_touched() - before

    def drain(self) -> float:
        """Drain it with ours; return the orders a second."""
        rate = self.contender.orders / self.work()
        self.contender.require_done(self.scratch)
        return rate

    def figures(self) -> tuple[Figure, Figure, Figure]:
        """Return the page's time, its blocks, and the rate."""
        name = f"among {self.ended:,} ended"
        return (
            Figure(name=f"stale page, {name}", unit="ms", values=tuple(self.pages_ms)),
            Figure(name=f"blocks a page, {name}", unit="blocks", values=tuple(self.blocks)),
            Figure(name=f"plan and apply, {name}", unit="orders/s", values=tuple(self.rates)),
        )

    def _blocks_touched(self) -> float:
        with self.planner.database.autocommit() as connection:
            connection.execute(_FLUSH)
            return float(connection.execute(_BLOCKS).scalar_one())


def among_ended(
    scratch: ScratchDatabase, size: Size, ended_sizes: Sequence[int], on_progress: Progress
) -> Sequence[tuple[Figure, Figure, Figure]]:
    """Return for ever more ended orders: a page's time and blocks, and the rate of ours."""
    rows = InPlace(orders=size.orders)
    with ExitStack() as stack:
        tables = [
            stack.enter_context(_table(scratch, size, rows, ended, on_progress))
            for ended in ended_sizes
        ]
        for number in range(size.rounds):
            on_progress(f"round {number + 1} of {size.rounds}: among ended orders")
            for table in tables:
                table.contender.prepare(table.scratch)
                table.page_ms()
            turns = [[table.page_ms() for table in tables] for _ in range(PAGES)]
            for table, pages_ms in zip(tables, zip(*turns, strict=True), strict=True):
                table.pages_ms.append(median(pages_ms))
                table.blocks.append(table.page_blocks())
            for table in tables:
                table.rates.append(table.drain())
    return [table.figures() for table in tables]


@contextmanager
def _table(
    scratch: ScratchDatabase, size: Size, rows: InPlace, ended: int, on_progress: Progress
) -> Iterator[GrownTable]:
    """Fill a table with `ended` orders, and open the contender that works on it."""
    with scratch.extra_schema(str(ended)) as extra:
        rows.make(extra.database)
        Rows.put_back(rows, extra.database)
        for first in range(rows.total + 1, rows.total + ended + 1, STEP):
            on_progress(f"{first - rows.total - 1:,} of {ended:,} ended orders written")
            last = min(first + STEP - 1, rows.total + ended)
            with extra.database.transaction() as connection:
                connection.execute(_ENDED, {"first": first, "last": last})
        settings = Settings.load(database_url=extra.url)
        contender = OurWriter(rows)
        with (
            closing(OrderWorkload(settings=settings).open_planner()) as planner,
            contender.at_work(extra, worker_configs(extra.url, size)) as work,
        ):
            yield GrownTable(
                ended=ended, scratch=extra, contender=contender, planner=planner, work=work
            )
