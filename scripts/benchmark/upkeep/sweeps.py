"""Every open order synced, sweep after sweep, by the planner's query and the apply step.

Most orders are found as they were, so that only `last_synced_at` is written. Of every fifty one has
ended, and the application places another in its stead. Some are never found, and put on hold again
and again.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count

from sqlalchemy import TextClause, text

from reconciler.domain.decide import decide
from reconciler.domain.order import OrderId
from reconciler.domain.report import Absent, Answer, Report
from reconciler.domain.status import Status
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import read_orders_table
from reconciler.store.stale import StaleOrders
from reconciler.store.stale_order import StaleOrder
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.rows import EXCHANGE
from scripts.benchmark.store.apply_step import POLICY, ApplyStep, batches_of
from scripts.benchmark.upkeep.storing import SYMBOL, BloatedTable, VacuumMode

SWEEPS_OF_A_LIFE = 50
LOOKS_A_SWEEP = 5
"""Autovacuum's launcher looks every minute, and orders are synced every five."""

_PLACE = text(
    "INSERT INTO orders (id, symbol, external_order_id, status, qty)"
    f" SELECT n, '{SYMBOL}', n::text, 'new', 1 FROM unnest(cast(:ids AS bigint[])) AS n"
)
_VACUUM_HOLDS = text("VACUUM (ANALYZE) reconciliation_holds")


@dataclass(frozen=True, kw_only=True)
class IndexSweep:
    """The time of one sweep, and the most dead rows of `orders` during it."""

    page_ms: float
    orders_per_second: float
    dead_rows: int
    vacuum_seconds: float


class Sweeper:
    """One process that plays planner, worker and application at once."""

    def __init__(self, database: Database, grown: BloatedTable, *, batch_size: int) -> None:
        """Put the orders on hold that are never found."""
        self._database = database
        self._grown = grown
        self._batch_size = batch_size
        self._step = ApplyStep(database, rows_per_transaction=batch_size)
        with database.autocommit() as connection:
            table = read_orders_table(connection)
        self._stale = StaleOrders(table, stale_after=timedelta(0))
        self._writer = OrderWriter(table, exchange=EXCHANGE, decide=partial(decide, policy=POLICY))
        self._new_ids = count(grown.open_ids.stop)
        self._dead = 0
        self._hold()

    def sweep(self, number: int, vacuuming: VacuumMode) -> IndexSweep:
        """Sync every open order once.

        Raises:
            BenchFailed: not all of them were there.
        """
        page_ms, orders = self._read_page()
        worked, vacuumed, most_dead = 0.0, 0.0, 0
        for part in _parts(orders, LOOKS_A_SWEEP):
            worked += self._sync(part, number)
            self._dead += len(part)
            most_dead = max(most_dead, self._dead)
            if vacuuming.is_due(dead=self._dead, rows=self._grown.total):
                vacuumed += self._vacuum(vacuuming.statement)
                self._dead = self._dead if vacuuming.is_held_back else 0
        self._hold()
        self._vacuum(_VACUUM_HOLDS)
        return IndexSweep(
            page_ms=page_ms,
            orders_per_second=len(orders) / worked,
            dead_rows=most_dead,
            vacuum_seconds=vacuumed,
        )

    def _read_page(self) -> tuple[float, Sequence[StaleOrder]]:
        with self._database.transaction() as connection:
            started = time.perf_counter()
            page = self._stale.read_page(connection, self._grown.orders)
            page_ms = (time.perf_counter() - started) * 1000
        if len(page.orders) != self._grown.orders:
            raise BenchFailed(
                f"{len(page.orders):,} of {self._grown.orders:,} stale orders were found"
            )
        return page_ms, page.orders

    def _sync(self, orders: Sequence[StaleOrder], number: int) -> float:
        """Apply batch after batch; return the seconds."""
        started = time.perf_counter()
        for batch in batches_of(orders, self._batch_size):
            ids = [order.id for chunk in batch.chunks for order in chunk.items]
            self._step.apply(batch, {id_: _report(int(id_), number) for id_ in ids})
            with self._database.transaction() as connection:
                placed = [next(self._new_ids) for id_ in ids if _has_ended(int(id_), number)]
                connection.execute(_PLACE, {"ids": placed})
        return time.perf_counter() - started

    def _hold(self) -> None:
        """Do not find those that are never found."""
        now = datetime.now(UTC)
        answers: dict[OrderId, Answer] = {
            id_: Absent(symbol=SYMBOL, external_order_id=str(id_), fetched_at=now)
            for id_ in self._grown.held_ids
        }
        with self._database.transaction() as connection:
            self._writer.apply(connection, answers)

    def _vacuum(self, statement: TextClause) -> float:
        started = time.perf_counter()
        with self._database.autocommit() as connection:
            connection.execute(statement)
        return time.perf_counter() - started


def _parts(orders: Sequence[StaleOrder], many: int) -> Iterator[Sequence[StaleOrder]]:
    size = -(-len(orders) // many)
    return (orders[start : start + size] for start in range(0, len(orders), size))


def _has_ended(id_: int, sweep: int) -> bool:
    return (id_ + sweep) % SWEEPS_OF_A_LIFE == 0


def _report(id_: int, sweep: int) -> Report:
    has_ended = _has_ended(id_, sweep)
    return Report(
        symbol=SYMBOL,
        external_order_id=str(id_),
        word="FILLED" if has_ended else "NEW",
        status=Status.FILLED if has_ended else Status.NEW,
        executed_qty=Decimal(has_ended),
        avg_price=Decimal(100) if has_ended else None,
        fetched_at=datetime.now(UTC),
    )
