"""The order workload: where settings become a planner in the parent and a handler in each child."""

import asyncio
import socket
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, func, select

from reconciler.domain.decide import Policy, decide
from reconciler.errors import ReconcilerError
from reconciler.exchanges.base import Venue
from reconciler.exchanges.guarded import Guard, Usage
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.resilience.breaker import Breaker, BreakerState
from reconciler.resilience.budget import Budget
from reconciler.settings import Settings
from reconciler.store.apply import Apply
from reconciler.store.cycles import CycleRecord, record_cycle
from reconciler.store.database import Database
from reconciler.store.stale import Cursor, StaleOrders
from reconciler.store.tables import OrdersTable, find_orders, require_schema
from reconciler.telemetry import metrics as names
from reconciler.telemetry.metrics import Metrics, open_metrics
from reconciler.worker.batch import OrderHandler
from reconciler.worker.clock import DatabaseClock
from reconciler.worker.plan import arrange
from reconciler.worker.workload import Backlog, Cycle, Page


@dataclass(frozen=True, kw_only=True)
class OrderWorkload:
    """Reconciling orders, as the supervisor runs it. Composes everything, so it takes it all."""

    settings: Settings
    is_dry_run: bool = False

    @property
    def venue(self) -> Venue:
        """The exchange's published facts.

        Raises:
            ConfigurationError: no such exchange.
        """
        return venue(self.settings.exchange_name, self.settings.exchange_base_url)

    @property
    def weight_per_minute(self) -> int:
        """The exchange's published limit."""
        return self.venue.weight_per_minute

    def open_planner(self) -> "OrderPlanner":
        """Connect, and make sure that the database fits.

        Raises:
            ConfigurationError: settings or schema do not fit.
            StoreUnavailable: the database does not answer.
        """
        database = Database(self.settings.required_database_url, role="supervisor")
        try:
            with database.autocommit() as connection:
                orders = require_schema(connection)
        except ReconcilerError:
            database.close()
            raise
        return OrderPlanner(
            database=database,
            stale=StaleOrders(orders, stale_after=self.settings.stale_after),
            run_length=self.venue.history_page,
            is_dry_run=self.is_dry_run,
        )

    async def open_handler(self, *, shard: int, budget: Budget) -> OrderHandler:
        """Open a worker's connections and put its parts together.

        Raises:
            ConfigurationError: settings or schema do not fit.
            StoreUnavailable: the database does not answer.
        """
        settings = self.settings
        database = Database(settings.required_database_url, role=f"worker {shard}")
        clock = DatabaseClock()
        orders = await asyncio.to_thread(_read_orders_table, database, clock)
        metrics = open_metrics(settings.statsd)
        breaker = Breaker(settings.breaker, on_change=partial(_count_opening, metrics))
        usage = Usage()
        exchange = open_exchange(
            self.venue,
            credentials=settings.credentials,
            guard=Guard(budget=budget, breaker=breaker, retry=settings.retry, usage=usage),
            budget=budget,
            clock=clock,
        )
        return OrderHandler(
            shard=shard,
            exchange=exchange,
            breaker=breaker,
            usage=usage,
            database=database,
            step=Apply(
                orders,
                exchange=self.venue.name,
                decide=partial(decide, policy=_policy(orders, self.venue)),
            ),
            clock=clock,
            metrics=metrics,
            rows_per_transaction=settings.batch_size,
            knows_last_write="updated_at" in orders.optional,
            is_dry_run=self.is_dry_run,
        )


@dataclass(frozen=True, kw_only=True)
class OrderPlanner:
    """The parent's side: reads pages of stale orders, and records cycles."""

    database: Database
    stale: StaleOrders
    run_length: int
    is_dry_run: bool

    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Read a page and arrange it into runs."""
        assert after is None or isinstance(after, Cursor)  # noqa: S101 - it is this planner's own
        with self.database.transaction() as connection:
            page = self.stale.read_page(connection, limit, after)
        return Page(runs=arrange(page.orders, self.run_length), next=page.next)

    def backlog(self) -> Backlog:
        """Count the stale orders."""
        with self.database.autocommit() as connection:
            backlog = self.stale.measure_backlog(connection)
        return Backlog(items=backlog.orders, oldest_age_seconds=backlog.oldest_age_seconds)

    def record(self, cycle: Cycle) -> None:
        """Write the cycle down; a dry run writes nothing at all."""
        if not self.is_dry_run:
            with self.database.transaction() as connection:
                record_cycle(connection, _as_record(cycle))

    def close(self) -> None:
        """Close the connection."""
        self.database.close()


def _as_record(cycle: Cycle) -> CycleRecord:
    tally = cycle.tally
    return CycleRecord(
        host=socket.gethostname(),
        started_at=cycle.started_at,
        finished_at=cycle.finished_at,
        duration_ms=cycle.duration_ms,
        scanned=tally.scanned,
        reconciled=tally.reconciled,
        discrepancies=tally.discrepancies,
        errors=tally.errors,
        held=tally.held,
        skipped_locked=tally.skipped_locked,
        requests=tally.requests,
        weight=tally.weight,
        transitions=dict(tally.transitions),
    )


def _read_orders_table(database: Database, clock: DatabaseClock) -> OrdersTable:
    with database.autocommit() as connection:
        orders = find_orders(connection)
        clock.hear(_database_now(connection))
    return orders


def _database_now(connection: Connection) -> datetime:
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _policy(orders: OrdersTable, venue: Venue) -> Policy:
    return Policy(
        quantity_scale=orders.quantity_scale,
        price_scale=orders.price_scale,
        placement_grace=venue.placement_grace,
        retention=venue.retention,
    )


def _count_opening(metrics: Metrics, before: BreakerState, after: BreakerState) -> None:
    if after is BreakerState.OPEN and before is not BreakerState.OPEN:
        metrics.incr(names.Counter.BREAKER_OPENED)
