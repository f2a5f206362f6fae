"""The order workload: build the planner and the handlers from the settings.

Its parts, and the process of each:

    OrderWorkload   pickled, sent to every worker; holds settings, no connection
    OrderPlanner    in the supervisor: reads stale orders from the database
    OrderHandler    in each worker: asks the exchange, decides, writes
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import Connection, func, select

from reconciler.domain.contradiction import ComparedColumn
from reconciler.domain.decide import Policy, decide
from reconciler.errors import ConfigurationError, ReconcilerError
from reconciler.exchanges.base import Venue
from reconciler.exchanges.configured_venue import configured_venue
from reconciler.exchanges.registry import open_exchange, package_of
from reconciler.exchanges.request_policy import RequestPolicy, UsageCounter
from reconciler.orders.account import AccountVerifier
from reconciler.orders.clock import DatabaseClock
from reconciler.orders.duplicates_gauge import DuplicatesGauge
from reconciler.orders.handler import OrderHandler
from reconciler.orders.planner import OrderPlanner
from reconciler.orders.sync_times_cleanup import SyncTimesCleanup
from reconciler.orders.unfollowed_gauge import UnfollowedGauge
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.budget import Budget
from reconciler.resilience.limits import Cost, RateLimit
from reconciler.resilience.nonces import Nonces
from reconciler.settings import Settings
from reconciler.store import shared_state
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import OrdersTable, read_orders_table, require_schema
from reconciler.store.privileges import (
    hiding_policies,
    missing_privileges,
    missing_read_privileges,
    refusing_policies,
)
from reconciler.store.shared_orders import find_overlaps
from reconciler.store.stale import StaleOrders
from reconciler.store.user_table import UserTable
from reconciler.telemetry import metrics as names
from reconciler.telemetry.metrics import Metrics, open_metrics
from reconciler.workload import Workload

MAX_START_SECONDS = 1.0
"""A start waits no longer than this for the comparison with another program."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class OrderWorkload(Workload):
    """Reconcile orders with an exchange.

    It takes all settings, since it builds every part; each part gets only its own.
    """

    settings: Settings
    is_dry_run: bool = False

    @property
    def venue(self) -> Venue:
        """The exchange's published limits and page sizes.

        Raises:
            ConfigurationError: no such exchange.
        """
        return configured_venue(self.settings)

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        """The limits that the exchange publishes."""
        return self.venue.limits

    @property
    def usual_cost(self) -> Cost:
        """The cost of a request for a chunk."""
        return self.venue.chunk_cost

    @property
    def modules(self) -> tuple[str, ...]:
        """The exchange's adapter."""
        return (package_of(self.settings.exchange_name),)

    def open_planner(self) -> OrderPlanner:
        """Connect to the database and check its schema and our privileges.

        Raises:
            ConfigurationError: settings or schema do not fit.
            StoreUnavailable: the database does not answer.
        """
        database, nonce_database = self._database("supervisor"), self._database("nonces")
        table = UserTable(self.settings.orders)
        try:
            with database.autocommit() as connection:
                orders = require_schema(connection, table)
                _require_privileges(connection, table, is_dry_run=self.is_dry_run)
            if not self.is_dry_run:
                with database.transaction() as connection:
                    _record_filter(connection, table)
            # After that: of two programs that begin at once, at least one sees the other.
            with database.transaction() as connection:
                _warn_of_shared_orders(connection, table)
        except ReconcilerError:
            database.close()
            nonce_database.close()
            raise
        return OrderPlanner(
            database=database,
            nonce_database=nonce_database,
            stale=StaleOrders(orders, stale_after=self.settings.stale_after),
            venue=self.venue,
            orders=orders,
            is_dry_run=self.is_dry_run,
            unfollowed=UnfollowedGauge(self.settings.required_database_url, table),
            duplicates=DuplicatesGauge(self.settings.required_database_url, table),
            cleanup=SyncTimesCleanup(table),
        )

    def _database(self, role: str) -> Database:
        return Database(
            self.settings.required_database_url,
            role=role,
            scope=self.settings.scope,
            must_write=not self.is_dry_run,
            only_reads=self.is_dry_run,
        )

    async def open_handler(
        self, *, shard: int, budget: Budget, nonces: Nonces, breaker: BreakerSnapshot | None
    ) -> OrderHandler:
        """Open a worker's connections and build its handler.

        Raises:
            ConfigurationError: settings or schema do not fit.
            StoreUnavailable: the database does not answer.
        """
        settings = self.settings
        database = Database(
            settings.required_database_url,
            role=f"worker {shard}",
            scope=settings.scope,
            must_write=not self.is_dry_run,
            only_reads=self.is_dry_run,
        )
        clock = DatabaseClock()
        orders = await asyncio.to_thread(_read_orders_table, database, settings, clock)
        metrics = open_metrics(settings.statsd, log_failures=False)
        own_breaker = Breaker(
            settings.breaker, on_change=partial(_count_opening, metrics), inherited=breaker
        )
        policy = _decision_policy(orders, self.venue, settings)
        usage = UsageCounter()
        exchange = open_exchange(
            self.venue,
            credentials=settings.credentials,
            sender=RequestPolicy(
                budget=budget, breaker=own_breaker, retry=settings.retry, usage=usage
            ),
            budget=budget,
            clock=clock,
            nonces=nonces,
        )
        return OrderHandler(
            exchange=exchange,
            breaker=own_breaker,
            usage=usage,
            database=database,
            writer=OrderWriter(
                orders, exchange=self.venue.name, decide=partial(decide, policy=policy)
            ),
            policy=policy,
            account=AccountVerifier(
                exchange=exchange,
                database=database,
                scope=settings.scope,
                is_dry_run=self.is_dry_run,
                accepts_unnamed=settings.unnamed_account == "accept",
            ),
            clock=clock,
            metrics=metrics,
            rows_per_transaction=settings.batch_size,
            query_timeout_seconds=settings.hang_seconds / 3,
            is_dry_run=self.is_dry_run,
        )


def _record_filter(connection: Connection, table: UserTable) -> None:
    shared_state.record_filter(connection, table.scope, table=table.name, where=table.config.where)


def _warn_of_shared_orders(connection: Connection, table: UserTable) -> None:
    """Log each other program that follows orders of this one."""
    for overlap in find_overlaps(connection, table, timeout_seconds=MAX_START_SECONDS):
        if problem := overlap.problem:
            log.warning(
                "orders.shared",
                other_scope=overlap.scope,
                orders=overlap.orders,
                reason=problem.what,
                hint=problem.hint,
            )


def _require_privileges(connection: Connection, table: UserTable, *, is_dry_run: bool) -> None:
    """Check our privileges in the database; log each row-level policy that may hide orders from us.

    Raises:
        ConfigurationError: privileges are missing; each is named with the statement that grants it.
    """
    if is_dry_run:
        problems = missing_read_privileges(connection, table)
    else:
        problems = [*missing_privileges(connection, table), *refusing_policies(connection, table)]
    if problems:
        raise ConfigurationError(problems)
    for problem in hiding_policies(connection, table):
        log.warning("orders.may_be_hidden", reason=problem.what, hint=problem.hint)


def _read_orders_table(database: Database, settings: Settings, clock: DatabaseClock) -> OrdersTable:
    with database.autocommit() as connection:
        orders = read_orders_table(connection, UserTable(settings.orders))
        clock.sync(_database_now(connection))
    return orders


def _database_now(connection: Connection) -> datetime:
    now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _decision_policy(orders: OrdersTable, venue: Venue, settings: Settings) -> Policy:
    return Policy(
        quantity_scale=orders.quantity_scale,
        price_scale=orders.price_scale,
        ordered_scale=orders.ordered_scale,
        compared=frozenset(map(ComparedColumn, settings.compared)),
        placement_grace=venue.placement_grace,
        retention=venue.retention,
        unwritable=orders.statuses.unwritable,
    )


def _count_opening(metrics: Metrics, before: BreakerState, after: BreakerState) -> None:
    if after is BreakerState.OPEN and before is not BreakerState.OPEN:
        metrics.incr(names.Counter.BREAKER_OPENED)
