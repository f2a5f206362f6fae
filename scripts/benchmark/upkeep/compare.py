"""The upkeep: the state of a table after many sweeps, by storage and vacuum settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Comparison, Figure, Target
from scripts.benchmark.rounds import Progress
from scripts.benchmark.size import Size
from scripts.benchmark.upkeep.bloat import Updates, index_bytes, read_updates, table_bytes
from scripts.benchmark.upkeep.storing import (
    ENDED_PER_OPEN,
    HELD_SHARE,
    BloatedTable,
    StorageSettings,
    held_back,
    lay_out,
    make_tables,
    storings,
)
from scripts.benchmark.upkeep.sweeps import LOOKS_A_SWEEP, SWEEPS_OF_A_LIFE, IndexSweep, Sweeper

KEY = "upkeep"
SWEEPS, QUICK_SWEEPS = 50, 4
SHARE_OF_ORDERS = 8
PAGE_AT_MOST = 1.5
_MEBI = 2**20


@dataclass(frozen=True, kw_only=True)
class SweepOutcome:
    """The state of one set of storage settings after the sweeps; `table_mib` before and after."""

    storing: StorageSettings
    sweeps: tuple[IndexSweep, ...]
    orders: int
    table_mib: tuple[float, float]
    index_mib: float
    of_orders: Updates
    of_holds: Updates

    @property
    def late(self) -> tuple[IndexSweep, ...]:
        """The second half of them."""
        return self.sweeps[len(self.sweeps) // 2 :]

    @property
    def late_page_ms(self) -> float:
        """The time of a page in the second half."""
        return median(sweep.page_ms for sweep in self.late)

    def figures(self) -> Iterator[Figure]:
        """Yield what there is to say of it."""
        late = self.late
        yield self._figure("page", "ms", *(sweep.page_ms for sweep in late))
        yield self._figure("sync", "orders/s", *(sweep.orders_per_second for sweep in late))
        yield self._figure(
            "dead rows per open order, at most",
            "rows",
            max(sweep.dead_rows for sweep in self.sweeps) / self.orders,
        )
        before, after = self.table_mib
        yield self._figure("table before", "MiB", before)
        yield self._figure("table after", "MiB", after)
        yield self._figure("index of open orders", "MiB", self.index_mib)
        yield self._figure(
            "vacuum in total", "s", sum(sweep.vacuum_seconds for sweep in self.sweeps)
        )
        yield self._figure("HOT updates of orders", "%", self.of_orders.percent_in_place)
        yield self._figure("HOT updates of holds", "%", self.of_holds.percent_in_place)

    def _figure(self, what: str, unit: str, *values: float) -> Figure:
        return Figure(group=what, name=self.storing.name, unit=unit, values=values)


def compare_upkeep(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Measure it.

    Raises:
        BenchFailed: not every order was synced.
    """
    grown = BloatedTable(orders=size.orders // SHARE_OF_ORDERS)
    sweeps = QUICK_SWEEPS if size.is_quick else SWEEPS
    make_tables(scratch.database)
    worn = []
    for storing in storings(grown.orders):
        on_progress(storing.name)
        worn.append(_wear_out(scratch, storing, grown, sweeps, size.batch_size))
    fresh = Figure(
        name="page of a fresh table", unit="ms", values=tuple(one.sweeps[0].page_ms for one in worn)
    )
    return Comparison(
        key=KEY,
        title="Upkeep: tables after many syncs",
        conditions=(
            f"{grown.orders:,} open orders synced {sweeps} times, among"
            f" {grown.orders * ENDED_PER_OPEN:,} ended ones; one of {SWEEPS_OF_A_LIFE} ends in each"
            f" sweep and another is placed, {HELD_SHARE:.0%} more are held again and again; pages"
            " and rates of the second half of the sweeps; autovacuum's rule applied by hand,"
            f" {LOOKS_A_SWEEP} times a sweep"
        ),
        figures=(fresh, *(figure for one in worn for figure in one.figures())),
        targets=tuple(
            Target(
                name=f"late page, times that of a fresh table: {one.storing.name}",
                wanted=PAGE_AT_MOST,
                reached=one.late_page_ms / fresh.median,
                at_most=True,
            )
            for one in worn
            if one.storing.is_advised
        ),
    )


def _wear_out(
    scratch: ScratchDatabase,
    storing: StorageSettings,
    grown: BloatedTable,
    sweeps: int,
    batch_size: int,
) -> SweepOutcome:
    database = scratch.database
    lay_out(database, storing, grown)
    with database.autocommit() as connection:
        before = table_bytes(connection) / _MEBI
        orders, holds = (read_updates(connection, table) for table in _TABLES)
    sweeper = Sweeper(database, grown, batch_size=batch_size)
    with held_back(scratch, storing.vacuuming):
        done = tuple(sweeper.sweep(number, storing.vacuuming) for number in range(sweeps))
    with database.autocommit() as connection:
        orders_then, holds_then = (read_updates(connection, table) for table in _TABLES)
        return SweepOutcome(
            storing=storing,
            sweeps=done,
            orders=grown.orders,
            table_mib=(before, table_bytes(connection) / _MEBI),
            index_mib=index_bytes(connection) / _MEBI,
            of_orders=orders_then - orders,
            of_holds=holds_then - holds,
        )


_TABLES = ("orders", "reconciliation_holds")
