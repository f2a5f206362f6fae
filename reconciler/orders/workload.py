"""The order workload: where settings become a planner in the parent and a handler in each child."""

import asyncio
import socket
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from sqlalchemy import Connection, func, select

from reconciler.domain.contradiction import ComparedColumn
from reconciler.domain.decide import HoldReason, Policy, decide
from reconciler.domain.report import OrderFault
from reconciler.errors import ConfigurationError, Halted, ReconcilerError
from reconciler.exchanges.base import Venue
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.exchanges.request_policy import RequestPolicy, UsageCounter
from reconciler.orders.account import AccountGuard
from reconciler.orders.chunking import chunk_orders
from reconciler.orders.clock import DatabaseClock
from reconciler.orders.duplicates import DuplicatesGauge
from reconciler.orders.following import FollowingGauge
from reconciler.orders.handler import OrderHandler
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.budget import Budget
from reconciler.settings import Settings
from reconciler.store import first_sync, shared_state
from reconciler.store.cycles import CycleRecord, read_last_hour, record_cycle
from reconciler.store.database import Database
from reconciler.store.holds import measure_holds, resolve_ended
from reconciler.store.order_writer import OrderWriter
from reconciler.store.privileges import (
    hiding_policies,
    missing_privileges,
    missing_read_privileges,
    refusing_policies,
)
from reconciler.store.stale import PageCursor, StaleOrder, StaleOrders
from reconciler.store.tables import OrdersTable, find_orders, require_schema
from reconciler.telemetry import metrics as names
from reconciler.telemetry.health import LastHour
from reconciler.telemetry.metrics import Metrics, open_metrics
from reconciler.workload import Backlog, Chunk, Cycle, Page, RememberedPause

log = structlog.get_logger(__name__)


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
        database = Database(
            self.settings.required_database_url,
            role="supervisor",
            must_write=not self.is_dry_run,
        )
        try:
            with database.autocommit() as connection:
                orders = require_schema(connection)
                _require_rights(connection, is_dry_run=self.is_dry_run)
        except ReconcilerError:
            database.close()
            raise
        return OrderPlanner(
            database=database,
            stale=StaleOrders(orders, stale_after=self.settings.stale_after),
            venue=self.venue,
            orders=orders,
            is_dry_run=self.is_dry_run,
            following=FollowingGauge(self.settings.required_database_url),
            duplicates=DuplicatesGauge(self.settings.required_database_url),
        )

    async def open_handler(
        self, *, shard: int, budget: Budget, breaker: BreakerSnapshot | None
    ) -> OrderHandler:
        """Open a worker's connections and put its parts together.

        Raises:
            ConfigurationError: settings or schema do not fit.
            StoreUnavailable: the database does not answer.
        """
        settings = self.settings
        database = Database(
            settings.required_database_url,
            role=f"worker {shard}",
            must_write=not self.is_dry_run,
        )
        clock = DatabaseClock()
        orders = await asyncio.to_thread(_read_orders_table, database, clock)
        metrics = open_metrics(settings.statsd, is_told=False)
        guarding = Breaker(
            settings.breaker, on_change=partial(_count_opening, metrics), inherited=breaker
        )
        policy = _policy(orders, self.venue, settings)
        usage = UsageCounter()
        exchange = open_exchange(
            self.venue,
            credentials=settings.credentials,
            sender=RequestPolicy(
                budget=budget, breaker=guarding, retry=settings.retry, usage=usage
            ),
            budget=budget,
            clock=clock,
        )
        return OrderHandler(
            shard=shard,
            exchange=exchange,
            breaker=guarding,
            usage=usage,
            database=database,
            writer=OrderWriter(
                orders, exchange=self.venue.name, decide=partial(decide, policy=policy)
            ),
            policy=policy,
            account=AccountGuard(
                exchange=exchange,
                database=database,
                is_dry_run=self.is_dry_run,
                accepts_unnamed=settings.unnamed_account == "accept",
            ),
            clock=clock,
            metrics=metrics,
            rows_per_transaction=settings.batch_size,
            patience_seconds=settings.hang_seconds / 3,
            is_dry_run=self.is_dry_run,
        )


@dataclass(frozen=True, kw_only=True)
class OrderPlanner:
    """The parent's side: reads pages of stale orders, and records cycles."""

    database: Database
    stale: StaleOrders
    orders: OrdersTable
    venue: Venue
    is_dry_run: bool
    following: FollowingGauge
    duplicates: DuplicatesGauge

    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Read a page and arrange it into runs; before the first, end holds that are pointless.

        A dry run ends none, and while the halt is on, nothing at all is written.
        """
        assert after is None or isinstance(after, PageCursor)  # noqa: S101 - it is this planner's own
        if after is None and not self.is_dry_run:
            with self.database.transaction() as connection:
                if shared_state.read_halt(connection) is None:
                    resolve_ended(connection, self.orders)
        with self.database.transaction() as connection:
            page = self.stale.read_page(connection, limit, after)
        chunks = chunk_orders(page.orders, self.venue)
        self.duplicates.note(chunks)
        return Page(chunks=chunks, next=page.next)

    def backlog(self) -> Backlog:
        """Count the stale orders and those on hold."""
        with self.database.transaction() as connection:
            backlog = self.stale.measure_backlog(connection)
            holds = measure_holds(connection)
        return Backlog(
            items=backlog.orders,
            oldest_age_seconds=backlog.oldest_age_seconds,
            stale_after_seconds=None if self.is_dry_run else self.stale.stale_after.total_seconds(),
            open_items=holds.open_orders,
            held_items=holds.held_orders,
            oldest_hold_age_seconds=holds.oldest_age_seconds,
            unfollowed_items=self.following.read(),
            duplicate_items=self.duplicates.read(),
        )

    def record(self, cycle: Cycle) -> None:
        """Write the cycle down; a dry run writes nothing at all."""
        if not self.is_dry_run:
            with self.database.transaction() as connection:
                first_sync.record_first_sync(
                    connection,
                    started_at=cycle.started_at,
                    scanned=cycle.counts.scanned,
                    ends_sweep=cycle.ends_sweep,
                )
                record_cycle(connection, _as_record(cycle))

    def last_hour(self) -> LastHour:
        """Read what the recorded cycles of the last hour did, on all hosts."""
        with self.database.autocommit() as connection:
            return read_last_hour(connection)

    def set_aside(self, chunk: Chunk) -> None:
        """Put orders over which workers have died on hold.

        A dry run writes nothing at all, nor does anybody while the halt is on.
        """
        if self.is_dry_run:
            return
        writer = OrderWriter(
            self.orders, exchange=self.venue.name, decide=partial(decide, policy=Policy())
        )
        with suppress(Halted), self.database.transaction() as connection:
            writer.hold(
                connection,
                {order.id: _crashed(order) for order in chunk.items},
                reason=HoldReason.CRASHED_WORKER,
            )

    def read_halt(self) -> str | None:
        """Return why nothing may be written; None when it may."""
        with self.database.autocommit() as connection:
            return shared_state.read_halt(connection)

    def write_halt(self, reason: str | None) -> None:
        """Put the halt on or off for all hosts; a dry run writes nothing at all."""
        if self.is_dry_run:
            return
        with self.database.transaction() as connection:
            if reason is None:
                shared_state.release_halt(connection)
            else:
                shared_state.apply_halt(connection, reason)

    def read_pause(self) -> RememberedPause:
        """Return for how much longer the exchange wants silence, by the database's clock."""
        with self.database.autocommit() as connection:
            seconds_of = shared_state.read_pauses(connection, self.venue.name)
        own = seconds_of.pop(socket.gethostname(), 0.0)
        return RememberedPause(seconds=own, elsewhere_seconds=max(seconds_of.values(), default=0.0))

    def write_pause(self, seconds: float) -> None:
        """Remember the silence for the next start on this host; a dry run writes nothing at all."""
        if not self.is_dry_run:
            with self.database.transaction() as connection:
                shared_state.write_pause(connection, self.venue.name, socket.gethostname(), seconds)

    def close(self) -> None:
        """Close the connection."""
        self.database.close()


def _require_rights(connection: Connection, *, is_dry_run: bool) -> None:
    """Make sure that we may do what running takes; name in the log what we may not see.

    Raises:
        ConfigurationError: we may not; each right with the statement that grants it.
    """
    lacking = missing_read_privileges(connection) if is_dry_run else missing_privileges(connection)
    problems = [*lacking, *([] if is_dry_run else refusing_policies(connection))]
    if problems:
        raise ConfigurationError(problems)
    for problem in hiding_policies(connection):
        log.warning("orders.may_be_hidden", reason=problem.what, hint=problem.hint)


def _as_record(cycle: Cycle) -> CycleRecord:
    return CycleRecord(
        host=socket.gethostname(),
        started_at=cycle.started_at,
        finished_at=cycle.finished_at,
        duration_ms=cycle.duration_ms,
        transitions=dict(cycle.counts.transitions),
        **cycle.counts.by_name,
    )


def _read_orders_table(database: Database, clock: DatabaseClock) -> OrdersTable:
    with database.autocommit() as connection:
        orders = find_orders(connection)
        clock.sync(_database_now(connection))
    return orders


def _database_now(connection: Connection) -> datetime:
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _crashed(order: StaleOrder) -> OrderFault:
    return OrderFault(
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        detail="one worker after another crashed while processing this order; their logs say how",
        fetched_at=datetime.now(UTC),
    )


def _policy(orders: OrdersTable, venue: Venue, settings: Settings) -> Policy:
    return Policy(
        quantity_scale=orders.quantity_scale,
        price_scale=orders.price_scale,
        ordered_scale=orders.ordered_scale,
        compared=frozenset(map(ComparedColumn, settings.compared)),
        placement_grace=venue.placement_grace,
        retention=venue.retention,
    )


def _count_opening(metrics: Metrics, before: BreakerState, after: BreakerState) -> None:
    if after is BreakerState.OPEN and before is not BreakerState.OPEN:
        metrics.incr(names.Counter.BREAKER_OPENED)
