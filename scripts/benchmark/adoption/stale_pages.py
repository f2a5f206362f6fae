"""A page of the stale query among millions of rows: our plain table, and one as Prisma makes it.

Both are measured in turns, first with the time of the last sync in the table, then in the side
table. What a confirm writes is counted in both cases.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
from sqlalchemy import text

from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.orders.planner import OrderPlanner
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.store import sample_orders
from reconciler.store.database import Database
from reconciler.store.stale_order import StaleOrder
from reconciler.store.user_table import UserTable
from reconciler.supervisor.options import PAGE_ITEMS
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.adoption.platform_table import FLUSH, upgrade
from scripts.benchmark.figures import Figure
from scripts.benchmark.processor_time import Stopwatch, server_process
from scripts.benchmark.rounds import Progress
from scripts.benchmark.rows import FILLFACTOR
from scripts.benchmark.size import Size
from scripts.benchmark.store.apply_step import ApplyStep, batches_of
from tests.adoption.platforms import PLATFORMS

ROWS, QUICK_ROWS = 3_000_000, 30_000
ROWS_PER_OPEN = 50
SYMBOLS = 12
PAGES = 10
"""Pages in a round."""

TICK_SECONDS = 0.01

CONFIRMED = 2000
IN_TABLE, IN_SIDE_TABLE = "sync time in the table", "sync time in the side table"
PLAIN, PRISMA = "plain", "prisma"

_NUMBERS = f"""(
    SELECT n, n %% {ROWS_PER_OPEN} = 0 AS is_open, 'SYM' || n / {ROWS_PER_OPEN} %% {SYMBOLS} AS base
    FROM generate_series(1, %(rows)s) AS n
) AS numbers"""
_FILL = {
    PLAIN: f"""
        INSERT INTO orders (id, symbol, external_order_id, status, qty, executed_qty, avg_price,
            created_at, updated_at, last_synced_at)
        SELECT n, base || 'USDT', n::text, CASE WHEN is_open THEN 'new' ELSE 'filled' END,
            1, CASE WHEN is_open THEN 0 ELSE 1 END, CASE WHEN is_open THEN NULL ELSE 100 END,
            now() - interval '1 day', now() - interval '1 day', now() - interval '1 hour'
        FROM {_NUMBERS}""",
    PRISMA: f"""
        INSERT INTO "Order" ("id", "userId", "exchangeOrderId", "symbol", "side", "type", "status",
            "price", "quantity", "filledQuantity", "averagePrice", "createdAt", "updatedAt",
            "lastSyncedAt")
        SELECT 'clh' || lpad(to_hex(n), 8, '0') || left(md5(n::text), 14),
            'clh1user00000000000000000', n::text, base || '/USDT', 'BUY', 'LIMIT',
            (CASE WHEN is_open THEN 'OPEN' ELSE 'FILLED' END)::"OrderStatus", 100,
            1, CASE WHEN is_open THEN 0 ELSE 1 END, CASE WHEN is_open THEN NULL ELSE 100 END,
            now() - interval '1 day', now() - interval '1 day', now() - interval '1 hour'
        FROM {_NUMBERS}""",
}
_PRISMA_COLUMN = 'ALTER TABLE "Order" ADD COLUMN "lastSyncedAt" timestamptz'
_DROP_COLUMN = {
    PLAIN: "ALTER TABLE orders DROP COLUMN last_synced_at",
    PRISMA: 'ALTER TABLE "Order" DROP COLUMN "lastSyncedAt"',
}
_STALE_IN_SIDE_TABLE = """
    INSERT INTO reconciliation_sync
        SELECT {id}, now() - interval '1 hour' FROM {table} WHERE {open_orders}
    ON CONFLICT (order_id) DO UPDATE SET last_synced_at = excluded.last_synced_at"""
_COUNTERS = text(
    "SELECT n_tup_upd, n_tup_hot_upd, seq_scan FROM pg_stat_user_tables"
    " WHERE relid = to_regclass(:table)"
)


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What the server has counted for a table."""

    updates: int
    hot_updates: int
    sequential_scans: int


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What confirming some orders wrote to the user's table."""

    orders: int
    updates: int
    hot_updates: int
    left: int


@dataclass(kw_only=True)
class LargeTable:
    """A table of millions in a schema of its own."""

    name: str
    scratch: ScratchDatabase
    config: Path | None
    pages_ms: dict[str, list[float]] = field(default_factory=dict)
    confirmed: dict[str, Confirmed] = field(default_factory=dict)
    sequential_scans: int = 0

    @property
    def settings(self) -> Settings:
        """The settings of a program on it."""
        config = None if self.config is None else str(self.config)
        return Settings.load(database_url=self.scratch.url, config=config)

    @property
    def user_table(self) -> UserTable:
        """The table as the file describes it."""
        return UserTable(self.settings.orders)

    def open_planner(self) -> OrderPlanner:
        """Open what reads the pages."""
        return OrderWorkload(settings=self.settings).open_planner()

    def counters(self) -> Counters:
        """Read the server's counters."""
        with self.scratch.database.autocommit() as connection:
            connection.execute(FLUSH)
            counted = connection.execute(_COUNTERS, {"table": self.user_table.name}).one()
        return Counters(updates=counted[0], hot_updates=counted[1], sequential_scans=counted[2])

    def run(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        with psycopg.connect(self.scratch.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def measure_pages(
    scratch: ScratchDatabase, size: Size, on_progress: Progress
) -> Sequence[LargeTable]:
    """Measure both tables, in both cases."""
    rows = QUICK_ROWS if size.is_quick else ROWS
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tables = [
            stack.enter_context(_large_table(name, scratch, folder, rows, on_progress))
            for name in (PLAIN, PRISMA)
        ]
        _measure(tables, IN_TABLE, size, on_progress)
        for table in tables:
            on_progress(f"{table.name}: moving the sync times to the side table")
            _use_side_table(table, folder)
        _measure(tables, IN_SIDE_TABLE, size, on_progress)
        return tables


def figures(tables: Sequence[LargeTable]) -> Iterator[Figure]:
    """Yield the processor time of a page for each table and case."""
    for case in (IN_TABLE, IN_SIDE_TABLE):
        for table in tables:
            name = f"stale page of {table.name}, {case}"
            yield Figure(name=name, unit="ms", values=tuple(table.pages_ms[case]))


def _measure(tables: Sequence[LargeTable], case: str, size: Size, on_progress: Progress) -> None:
    with ExitStack() as stack:
        planners = [stack.enter_context(closing(table.open_planner())) for table in tables]
        before = [table.counters().sequential_scans for table in tables]
        stopwatch = Stopwatch(server=server_process(planners[0].database))
        for planner in planners:
            _page_ms(planner, stopwatch)
        for number in range(size.rounds):
            on_progress(f"round {number + 1} of {size.rounds}: pages, {case}")
            for table, planner in zip(tables, planners, strict=True):
                table.pages_ms.setdefault(case, []).append(_page_ms(planner, stopwatch))
        for table, scans in zip(tables, before, strict=True):
            table.sequential_scans += table.counters().sequential_scans - scans
        for table, planner in zip(tables, planners, strict=True):
            on_progress(f"{table.name}: confirming orders, {case}")
            table.confirmed[case] = _confirm(table, planner, size)


def _page_ms(planner: OrderPlanner, stopwatch: Stopwatch) -> float:
    """Return the processor time of a page, of client and server: what else runs is left out.

    The clock of another process has ticks of 10 ms: a single page is too short for it.
    """
    before = sum(stopwatch.read().values())
    for _ in range(PAGES):
        planner.plan(PAGE_ITEMS, None)
    spent = sum(stopwatch.read().values()) - before
    return max(spent, TICK_SECONDS) * 1000 / PAGES


def _confirm(table: LargeTable, planner: OrderPlanner, size: Size) -> Confirmed:
    """Confirm some orders of the first page; count what that writes to the user's table."""
    with planner.database.transaction() as connection:
        orders = planner.stale.read_page(connection, PAGE_ITEMS, None).orders[:CONFIRMED]
    answers = {order.id: _unchanged(order) for order in orders}
    before = table.counters()
    with closing(Database(table.scratch.url, role="bench")) as database:
        step = ApplyStep(database, rows_per_transaction=size.batch_size, table=table.user_table)
        for batch in batches_of(orders, size.batch_size):
            step.apply(batch, answers)
        with database.autocommit() as connection:
            connection.execute(FLUSH)
    after = table.counters()
    return Confirmed(
        orders=len(orders),
        updates=after.updates - before.updates,
        hot_updates=after.hot_updates - before.hot_updates,
        left=step.left,
    )


def _unchanged(order: StaleOrder) -> Report:
    return Report(
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        word="NEW",
        status=Status.NEW,
        executed_qty=Decimal(0),
        avg_price=None,
        fetched_at=datetime.now(UTC),
    )


@contextmanager
def _large_table(
    name: str, scratch: ScratchDatabase, folder: Path, rows: int, on_progress: Progress
) -> Iterator[LargeTable]:
    """Fill a table in a schema of its own, with the sync times in it."""
    with scratch.extra_schema(name) as extra:
        on_progress(f"{name}: writing {rows:,} rows")
        table = LargeTable(name=name, scratch=extra, config=_config_in_table(name, folder))
        with psycopg.connect(extra.url, autocommit=True) as connection:
            if name == PRISMA:
                connection.execute(PLATFORMS[PRISMA].ddl.encode())
                connection.execute(_PRISMA_COLUMN)
            else:
                connection.execute(sample_orders.ORDERS_DDL.encode())
            storage = f"ALTER TABLE {table.user_table.name} SET (fillfactor = {FILLFACTOR})"
            connection.execute(storage.encode())
            _fill(connection, name, rows)
        upgrade(table.scratch.database, table.user_table)
        table.run("VACUUM (ANALYZE)", "CHECKPOINT")
        yield table


def _fill(connection: psycopg.Connection[object], name: str, rows: int) -> None:
    """Write the rows. Foreign keys hold by construction, and are not checked row by row."""
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(_FILL[name].encode(), {"rows": rows})


def _config_in_table(name: str, folder: Path) -> Path | None:
    """Return the file for the case that the sync times are in the table; None for our names."""
    if name == PLAIN:
        return None
    (file,) = PLATFORMS[name].configuration_files
    ours = folder / file.name
    changed = file.read_text(encoding="utf-8").replace('"side-table"', '"lastSyncedAt"')
    ours.write_text(changed, encoding="utf-8")
    return ours


def _use_side_table(table: LargeTable, folder: Path) -> None:
    """Let the side table have the sync times instead."""
    table.config = _config_aside(table.name, folder)
    upgrade(table.scratch.database, table.user_table)
    user = table.user_table
    stale = _STALE_IN_SIDE_TABLE.format(id=user.id, table=user.name, open_orders=user.open_orders)
    table.run(_DROP_COLUMN[table.name], stale, "VACUUM (ANALYZE)", "CHECKPOINT")


def _config_aside(name: str, folder: Path) -> Path:
    """Return the file for the case that the sync times are in the side table."""
    if name == PRISMA:
        (file,) = PLATFORMS[PRISMA].configuration_files
        return file
    ours = folder / "plain.toml"
    ours.write_text('[orders.columns]\nlast_synced_at = "side-table"\n', encoding="utf-8")
    return ours
