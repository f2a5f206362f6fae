"""Adoption: tables of public platforms next to the plain one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from reconciler.paper.listing import ListedOrder
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.adoption import stale_pages
from scripts.benchmark.adoption.platform_table import (
    PLAIN,
    PlatformTable,
    StoreStep,
    drop_fixed_schemas,
    paper_orders,
)
from scripts.benchmark.adoption.stale_pages import IN_SIDE_TABLE, IN_TABLE, LargeTable
from scripts.benchmark.figures import Comparison, Figure, Target, ratio
from scripts.benchmark.rounds import Progress
from scripts.benchmark.rows import FILLFACTOR
from scripts.benchmark.size import Size
from tests.adoption.platforms import PLATFORMS, Platform
from tests.adoption.platforms.platform import SIDE_TABLE

KEY = "adoption"
SHARE = 10
"""A tenth of the usual orders: thirteen tables are made in every round."""

CONFIRMS = 5
QUICK_PLATFORMS = ("prisma", "copy_trading")
PAGE_AT_MOST, HOT_PERCENT = 1.3, 98
CHANGED, CONFIRMED = "as the exchange left them", "still right"


@dataclass
class Measured:
    """What the store step did on a platform's table, round by round."""

    platform: Platform
    changes: list[StoreStep] = field(default_factory=list)
    confirms: list[StoreStep] = field(default_factory=list)

    def figures(self) -> tuple[Figure, Figure]:
        """Return the rates of both."""
        changes = tuple(step.rate for step in self.changes)
        confirms = tuple(step.rate for step in self.confirms)
        name = self.platform.name
        return (
            Figure(group=CHANGED, name=name, unit="orders/s", values=changes),
            Figure(group=CONFIRMED, name=name, unit="orders/s", values=confirms),
        )


def compare_adoption(scratch: ScratchDatabase, size: Size, on_progress: Progress) -> Comparison:
    """Measure it.

    Raises:
        BenchFailed: a row was not right at the end.
    """
    orders = paper_orders(size.orders // SHARE)
    with _fixed_schemas_dropped(scratch):
        measured = _store_steps(scratch, size, orders, on_progress)
    scratch.clear()
    pages = stale_pages.measure_pages(scratch, size, on_progress)
    rates = [one.figures() for one in measured]
    rows = stale_pages.QUICK_ROWS if size.is_quick else stale_pages.ROWS
    return Comparison(
        key=KEY,
        title="Adoption: tables of public platforms next to the plain one",
        conditions=(
            f"store step of one process: {len(orders):,} orders of the paper exchange, answers in"
            f" memory, batches of {size.batch_size}; '{CHANGED}': five of six have changed;"
            f" '{CONFIRMED}': those that are still open, {CONFIRMS} times. Pages (processor"
            " time of client and server, with the scan before): of"
            f" {rows:,} rows, one in {stale_pages.ROWS_PER_OPEN} open, fillfactor {FILLFACTOR}"
        ),
        figures=(
            *(changed for changed, _ in rates),
            *(confirmed for _, confirmed in rates),
            *stale_pages.figures(pages),
        ),
        targets=tuple(_targets(measured, pages)),
    )


def _store_steps(
    scratch: ScratchDatabase,
    size: Size,
    orders: Sequence[ListedOrder],
    on_progress: Progress,
) -> Sequence[Measured]:
    """Run the store step on every table in every round."""
    truth = {(order.symbol, str(order.order_id)): order for order in orders}
    names = QUICK_PLATFORMS if size.is_quick else tuple(PLATFORMS)
    measured = [Measured(platform) for platform in (PLAIN, *map(PLATFORMS.__getitem__, names))]
    for number in range(size.rounds):
        for one in measured:
            on_progress(f"round {number + 1} of {size.rounds}: {one.platform.name}")
            table = PlatformTable(
                platform=one.platform, scratch=scratch, batch_size=size.batch_size
            )
            table.make(orders)
            one.changes.append(table.store(truth))
            table.require_true(orders)
            one.confirms.append(_confirm(table, truth))
            table.require_true(orders)
    return measured


def _confirm(table: PlatformTable, truth: Mapping[tuple[str, str], ListedOrder]) -> StoreStep:
    """Confirm the open orders several times, and add that up."""
    steps = []
    for _ in range(CONFIRMS):
        table.make_stale()
        steps.append(table.store(truth))
    return StoreStep(
        orders=sum(step.orders for step in steps),
        seconds=sum(step.seconds for step in steps),
        left=sum(step.left for step in steps),
        updates=sum(step.updates for step in steps),
        hot_updates=sum(step.hot_updates for step in steps),
    )


@contextmanager
def _fixed_schemas_dropped(scratch: ScratchDatabase) -> Iterator[None]:
    try:
        yield
    finally:
        drop_fixed_schemas(scratch.database)


def _targets(measured: Sequence[Measured], pages: Sequence[LargeTable]) -> Iterator[Target]:
    plain, prisma = pages
    for case in (IN_TABLE, IN_SIDE_TABLE):
        yield Target(
            name=f"stale page of {prisma.name}, times that of {plain.name}, {case}",
            wanted=PAGE_AT_MOST,
            reached=ratio(prisma.pages_ms[case], plain.pages_ms[case]),
            at_most=True,
        )
    yield Target(
        name="sequential scans of a table of millions for its pages",
        wanted=0,
        reached=sum(table.sequential_scans for table in pages),
        at_most=True,
    )
    yield from _write_targets(measured, pages)


def _write_targets(measured: Sequence[Measured], pages: Sequence[LargeTable]) -> Iterator[Target]:
    """Hold what was written against what must be."""
    steps = [step for one in measured for step in (*one.changes, *one.confirms)]
    confirmed = [one for table in pages for one in table.confirmed.values()]
    yield Target(
        name="orders that did not take the fast path of the write step",
        wanted=0,
        reached=sum(step.left for step in steps) + sum(one.left for one in confirmed),
        at_most=True,
    )
    aside = [
        step.updates
        for one in measured
        if one.platform.sync_times == SIDE_TABLE
        for step in one.confirms
    ]
    yield Target(
        name="rows of a platform's table that a confirm writes, with the side table",
        wanted=0,
        reached=sum(aside) + sum(table.confirmed[IN_SIDE_TABLE].updates for table in pages),
        at_most=True,
    )
    in_table = [table.confirmed[IN_TABLE] for table in pages]
    yield Target(
        name="confirms that are HOT, with the sync time in the table, percent",
        wanted=HOT_PERCENT,
        reached=100
        * sum(one.hot_updates for one in in_table)
        / max(1, sum(one.updates for one in in_table)),
    )
