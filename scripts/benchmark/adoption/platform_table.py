"""A platform's table with orders of the paper exchange in memory, and the store step on it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
from sqlalchemy import text

from reconciler.domain.report import Report
from reconciler.paper.dialects.binance import DIALECT
from reconciler.paper.listing import ListedOrder, listed_order
from reconciler.paper.orders import SeedOptions, generate_orders
from reconciler.settings import Settings
from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.side_table import create_side_table, read_side_table
from reconciler.store.stale_order import StaleOrder
from reconciler.store.user_table import UserTable
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.store.apply_step import ApplyStep, batches_of, read_stale
from tests.adoption.platforms import PLATFORMS, Platform

SYMBOLS = 12
STALE_AFTER = timedelta(minutes=5)
PLAIN = replace(
    PLATFORMS["partitioned"],
    name="plain",
    table="orders",
    sync_times="orders",
    truth="SELECT symbol, external_order_id, status, executed_qty, avg_price FROM orders",
)
"""Our own table as the demo has it, without a configuration file."""

FIXED_SCHEMAS = ("copy", "trading")
"""The schemas that tables of some platforms name."""

FLUSH = text("SELECT pg_stat_force_next_flush()")
"""What a session counts is seen by others at once, not only a second later."""

_UPDATES = text(
    "SELECT coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_hot_upd), 0) FROM pg_stat_user_tables"
    " WHERE (schemaname = current_schema() OR schemaname = ANY(:fixed))"
    " AND relname !~ '^(reconciliation_|reconciler_|activity_log)'"
)


@dataclass(frozen=True, kw_only=True)
class StoreStep:
    """What the store step did: `left` orders did not take the fast path.

    Attributes:
        updates, hot_updates: Rows of the platform's table that were updated, and those of them
            whose update touched no index.
    """

    orders: int
    seconds: float
    left: int
    updates: int
    hot_updates: int

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.orders / self.seconds


def paper_orders(count: int) -> list[ListedOrder]:
    """Return orders of the paper exchange, with what the row last saw and what is true."""
    options = SeedOptions(orders=count, symbols=SYMBOLS)
    return [
        listed_order(order, DIALECT) for order in generate_orders(options, int(time.time() * 1000))
    ]


@dataclass(frozen=True, kw_only=True)
class PlatformTable:
    """A platform's table in the scratch database; `make` replaces what was there."""

    platform: Platform
    scratch: ScratchDatabase
    batch_size: int

    @property
    def user_tables(self) -> Sequence[UserTable]:
        """The table as each of the platform's files describes it."""
        if self.platform.name == PLAIN.name:
            return (UserTable(),)
        files = self.platform.configuration_files
        return [UserTable(Settings.load(config=str(file)).orders) for file in files]

    def make(self, orders: Sequence[ListedOrder]) -> None:
        """Make the tables and the rows, with the state that the platform last saw."""
        platform = self.platform
        self.scratch.clear()
        drop_fixed_schemas(self.scratch.database)
        with psycopg.connect(self.scratch.url, autocommit=True) as connection:
            is_plain = platform.name == PLAIN.name
            connection.execute((sample_orders.ORDERS_DDL if is_plain else platform.ddl).encode())
            for statement, values in platform.reference_rows(sorted({o.symbol for o in orders})):
                connection.execute(statement.encode(), values)
            rows = [
                platform.row(order, order.seen, number)
                for number, order in enumerate(orders, start=1)
            ]
            with connection.cursor() as cursor, connection.transaction():
                cursor.executemany(platform.insert(rows[0]), rows)
            for table in self.user_tables:
                upgrade(self.scratch.database, table)
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def store(self, truth: Mapping[tuple[str, str], ListedOrder]) -> StoreStep:
        """Write what is true of every stale order."""
        updates, hot_updates = self._read_updates()
        orders, seconds, left = 0, 0.0, 0
        for table in self.user_tables:
            with closing(Database(self.scratch.url, role="bench")) as database:
                stale = read_stale(database, STALE_AFTER, table)
                step = ApplyStep(database, rows_per_transaction=self.batch_size, table=table)
                answers = {order.id: answer(truth[key_of(order)]) for order in stale}
                batches = list(batches_of(stale, self.batch_size))
                started = time.perf_counter()
                for batch in batches:
                    step.apply(batch, answers)
                seconds += time.perf_counter() - started
                with database.autocommit() as connection:
                    connection.execute(FLUSH)
            orders, left = orders + len(stale), left + step.left
        updates_then, hot_updates_then = self._read_updates()
        return StoreStep(
            orders=orders,
            seconds=seconds,
            left=left,
            updates=updates_then - updates,
            hot_updates=hot_updates_then - hot_updates,
        )

    def make_stale(self) -> None:
        """Move the times of the last sync back, and leave no dead row of that."""
        with psycopg.connect(self.scratch.url, autocommit=True) as connection:
            connection.execute(
                f"UPDATE {self.platform.sync_times} SET last_synced_at = last_synced_at"
                " - interval '1 hour'".encode()
            )
            connection.execute(f"{FLUSH}".encode())
            connection.execute("VACUUM (ANALYZE)")

    def require_true(self, orders: Iterable[ListedOrder]) -> None:
        """Make sure that every row is as the exchange has it.

        Raises:
            BenchFailed: one is not.
        """
        with psycopg.connect(self.scratch.url) as connection:
            found = {
                (symbol, external): self.platform.found(word, executed, average)
                for symbol, external, word, executed, average in connection.execute(
                    self.platform.truth.encode()
                )
            }
        for order in orders:
            if found[order.symbol, str(order.order_id)] != self.platform.expected(order):
                raise BenchFailed(f"{self.platform.name}: order {order.order_id} is not right")

    def _read_updates(self) -> tuple[int, int]:
        with self.scratch.database.autocommit() as connection:
            connection.execute(FLUSH)
            updates, hot_updates = connection.execute(
                _UPDATES, {"fixed": list(FIXED_SCHEMAS)}
            ).one()
        return int(updates), int(hot_updates)


def upgrade(database: Database, table: UserTable) -> None:
    """Make our tables and the index, as `db upgrade` does."""
    with database.transaction() as connection:
        if table.uses_side_table and not read_side_table(connection):
            create_side_table(connection, table)
    with database.connection() as connection:
        migrations.upgrade(connection, table)


def drop_fixed_schemas(database: Database) -> None:
    """Drop the schemas that the platforms' tables name themselves."""
    with database.autocommit() as connection:
        for name in FIXED_SCHEMAS:
            connection.execute(text(f"DROP SCHEMA IF EXISTS {name} CASCADE"))


def key_of(order: StaleOrder) -> tuple[str, str]:
    """Return by what the exchange knows an order."""
    return order.symbol, order.external_order_id


def answer(order: ListedOrder) -> Report:
    """Return what the exchange says of an order."""
    truth = order.truth
    if truth.status is None:
        raise BenchFailed(f"order {order.order_id} has no status of ours")
    return Report(
        symbol=order.symbol,
        external_order_id=str(order.order_id),
        word=truth.status.value.upper(),
        status=truth.status,
        executed_qty=Decimal(truth.executed_qty),
        avg_price=None if truth.avg_price is None else Decimal(truth.avg_price),
        fetched_at=datetime.now(UTC),
    )
