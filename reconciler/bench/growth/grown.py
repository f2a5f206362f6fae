"""Finding and applying beside ever more ended orders, in a table that is never laid out anew."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

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


def beside_ended(
    ground: Ground, size: Size, ended_sizes: Sequence[int], on_progress: Progress
) -> Iterator[tuple[Figure, Figure]]:
    """Yield, for ever more ended orders, what a page of stale ones takes, and the rate of ours."""
    rows = InPlace(orders=size.orders)
    rows.make(ground.database)
    Rows.put_back(rows, ground.database)
    settings = Settings.load(database_url=ground.url)
    last_id = rows.total
    contender = Planned(rows)
    with (
        closing(OrderWorkload(settings=settings).open_planner()) as planner,
        contender.at_work(ground, places_of(ground.url, size)) as work,
    ):
        for ended in ended_sizes:
            wanted = rows.total + ended
            while last_id < wanted:
                on_progress(f"{last_id - rows.total:,} of {ended:,} ended orders written")
                first, last_id = last_id + 1, min(last_id + STEP, wanted)
                with ground.database.transaction() as connection:
                    connection.execute(_ENDED, {"first": first, "last": last_id})
            on_progress(f"beside {ended:,} ended orders")
            pages, rates = [], []
            for _ in range(size.rounds):
                contender.prepare(ground)
                _page_ms(planner)
                pages.append(_page_ms(planner))
                rates.append(rows.orders / work())
                contender.require_done(ground)
            name = f"beside {ended:,} ended"
            yield (
                Figure(name=f"stale page, {name}", unit="ms", values=tuple(pages)),
                Figure(name=f"plan and apply, {name}", unit="orders/s", values=tuple(rates)),
            )


def _page_ms(planner: OrderPlanner) -> float:
    started = time.perf_counter()
    planner.plan(PAGE_ITEMS, None)
    return (time.perf_counter() - started) * 1000
