"""The orders that all contenders work on: restored before every round, counted after it.

Open orders stand among ended ones, as in a table that has grown: `ENDED_PER_OPEN` ended ones to
each. The table has further indexes, as an application's has, and some room on its pages, as is
advised. What the exchange says of an open order is the same everywhere: nothing new, or that it was
filled, at a price that follows from its id. So a round has written exactly the rows that were
wanted, or it fails.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection, text

from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.open_index import NEVER, OPEN_INDEX
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.trial.orders_snapshot import settle, write_back
from scripts.benchmark.figures import BenchFailed

ENDED_PER_OPEN = 4
EXCHANGE = "bench"
FILLFACTOR = 90

FURTHER_INDEXES = {
    "orders_created_at": "(created_at)",
    "orders_symbol_created_at": "(symbol, created_at)",
    "orders_status_created_at": "(status, created_at)",
    "orders_external_order_id": "(symbol, external_order_id)",
    "orders_client_order_id": "(client_order_id)",
}
"""The indexes of the application, next to its primary key, and what they contain."""

TABLE = (
    f"{len(FURTHER_INDEXES)} further indexes, fillfactor {FILLFACTOR}, and for each contender the"
    " index that suits it best"
)
"""What is to be said of the table in every comparison."""

BY_SYMBOL = f"CREATE INDEX IF NOT EXISTS {OPEN_INDEX} ON orders {DEFAULT_TABLE.index_columns}"
"""The reconciler's own index."""

SYNCED_AT = f"COALESCE(last_synced_at, {NEVER})"
OLDEST_FIRST = f"{SYNCED_AT}, id"
BY_AGE = (
    f"CREATE INDEX IF NOT EXISTS bench_oldest_first ON orders ({OLDEST_FIRST})"
    f" WHERE {DEFAULT_TABLE.open_orders}"
)
"""The index for a contender that takes the longest unsynced orders from the table."""

NO_INDEX = ""
"""For a contender that is told the ids."""

# The same for all: the table has the columns that one of the ways of working needs.
_LEASES = (
    "ALTER TABLE orders ADD COLUMN IF NOT EXISTS leased_by integer",
    "ALTER TABLE orders ADD COLUMN IF NOT EXISTS leased_until timestamptz",
)
_FURTHER_INDEXES = tuple(
    f"CREATE INDEX IF NOT EXISTS {name} ON orders {columns}"
    for name, columns in FURTHER_INDEXES.items()
)
_DROP_INDEXES = f"DROP INDEX IF EXISTS {OPEN_INDEX}, bench_oldest_first"
CHANGES = "(id / {spacing} + id / {spacing} / 100) % 100 < {percent}"
"""Selects the open orders that have been filled, `percent` of a hundred."""

_SYMBOL_NUMBER = (
    "CASE WHEN (n / :spacing) % 100 < :hot_percent THEN 0 ELSE (n / :spacing) % :symbols END"
)
_QTY = "1.5 + n % 100 * 0.25"
_FILL = text(
    "INSERT INTO orders_snapshot"
    " (id, symbol, external_order_id, client_order_id, status, qty, executed_qty, avg_price,"
    " created_at, updated_at, last_synced_at)"
    f" SELECT n, 'SYM' || {_SYMBOL_NUMBER} || 'USDT', n::text, 'client-' || n,"
    f" CASE WHEN n % :spacing = 0 THEN 'new' ELSE 'filled' END, {_QTY},"
    f" CASE WHEN n % :spacing = 0 THEN 0 ELSE {_QTY} END,"
    " CASE WHEN n % :spacing = 0 THEN NULL ELSE 100 END,"
    " now() - interval '1 day', now() - interval '1 day',"
    " now() - interval '1 hour' - CASE WHEN :is_swept"
    f" THEN (:symbols - {_SYMBOL_NUMBER} - n / cast(:total AS float)) * interval '1 min' / :symbols"
    " ELSE n * 7919 % :total * interval '1 ms' END"
    " FROM generate_series(1, cast(:total AS bigint)) AS n"
)
_WRITTEN = text(
    "SELECT count(*) FILTER (WHERE is_touched) AS touched,"
    " count(*) FILTER (WHERE is_touched AND CASE WHEN changes"
    " THEN is_filled ELSE is_as_before END) AS correct,"
    " count(*) FILTER (WHERE is_touched AND changes) AS changed FROM (SELECT"
    " (o.status, o.last_synced_at) IS DISTINCT FROM (s.status, s.last_synced_at) AS is_touched,"
    " o.status = 'filled' AND o.executed_qty = o.qty AND o.avg_price = 100 + o.id % 1000 / 8.0"
    " AND o.updated_at > s.updated_at AND o.last_synced_at > s.last_synced_at AS is_filled,"
    " (o.status, o.executed_qty, o.updated_at) = (s.status, s.executed_qty, s.updated_at)"
    " AND o.avg_price IS NULL AND o.last_synced_at > s.last_synced_at AS is_as_before,"
    f" {CHANGES.format(spacing=':spacing', percent=':changed_percent')} AS changes"
    " FROM orders AS o JOIN orders_snapshot AS s USING (id) WHERE s.status = 'new') AS compared"
)
_LOGGED = text(
    "SELECT count(*) AS entries, count(DISTINCT a.order_id) FILTER (WHERE"
    ' a.action = \'reconciliation.update\' AND a.details @> \'{"from": {"status": "new"},'
    " \"to\": {\"status\": \"filled\"}}' AND a.details ?& ARRAY['exchange', 'rule', 'fetched_at',"
    " 'report'] AND (a.details #>> '{to,avg_price}')::numeric = o.avg_price"
    " AND (a.details #>> '{report,executed_qty}')::numeric = o.executed_qty) AS complete"
    " FROM activity_log AS a LEFT JOIN orders AS o ON o.id::text = a.order_id"
)
_STALEST = text(
    "SELECT id FROM orders_snapshot WHERE status = 'new' ORDER BY last_synced_at, id LIMIT :limit"
)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The number of open orders, of symbols, and the shares of the orders that are special.

    Attributes:
        hot_share: The share of the first symbol, whatever the spread of the others.
        changed_share: The share that has been filled at the exchange; the others are as their rows
            say. Both are whole percents.
        ended_per_open: The number of ended orders next to each open one.
        fillfactor: That of the table.
        is_swept: True if the sync times are as a sweep leaves them: symbol after symbol, each in
            the order of its ids. Else they are scattered over the table, the worst case: a batch
            then finds no two of its rows on one page.
    """

    orders: int
    symbols: int = 12
    hot_share: float = 0.0
    changed_share: float = 1.0
    ended_per_open: int = ENDED_PER_OPEN
    fillfactor: int = FILLFACTOR
    is_swept: bool = False

    @property
    def spacing(self) -> int:
        """Every order is open whose id is a multiple of this."""
        return self.ended_per_open + 1

    @property
    def total(self) -> int:
        """The number of rows in the table; ids run from 1 to this."""
        return self.orders * self.spacing

    @property
    def open_ids(self) -> range:
        """The ids of the open orders."""
        return range(self.spacing, self.total + 1, self.spacing)

    @property
    def changed_percent(self) -> int:
        """The number of orders in a hundred that have been filled: see `changes`."""
        return round(self.changed_share * 100)

    def changes(self, id_: int) -> bool:
        """True for an open order that has been filled. In SQL: `CHANGES`."""
        number = id_ // self.spacing
        return (number + number // 100) % 100 < self.changed_percent

    def answers(self) -> dict[int, Report]:
        """Return what the exchange says now of every open order, by id."""
        fetched_at = datetime.now(UTC)
        return {id_: self._answer(id_, fetched_at) for id_ in self.open_ids}

    def make(self, database: Database) -> None:
        """Make the tables, and a orders_snapshot of the rows as they are to be before a round."""
        with database.transaction() as connection:
            sample_orders.create_orders_table(connection)
            for statement in (*_LEASES, *_FURTHER_INDEXES):
                connection.execute(text(statement))
            connection.execute(text(f"ALTER TABLE orders SET (fillfactor = {self.fillfactor})"))
        with database.connection() as connection:
            migrations.upgrade(connection, DEFAULT_TABLE)
        with database.transaction() as connection:
            connection.execute(text("DROP TABLE IF EXISTS orders_snapshot"))
            connection.execute(text("CREATE UNLOGGED TABLE orders_snapshot (LIKE orders)"))
            shape = {
                "spacing": self.spacing,
                "symbols": self.symbols,
                "total": self.total,
                "hot_percent": self._hot_percent,
                "is_swept": self.is_swept,
            }
            connection.execute(_FILL, shape)

    def put_back(self, database: Database, index: str = BY_SYMBOL) -> None:
        """Restore the rows: a fresh table for each contender, without dead rows or dirty pages.

        `index` creates the index that suits the contender; there is no other one of that kind.
        """
        with database.transaction() as connection:
            connection.execute(text(_DROP_INDEXES))
        write_back(database)
        with database.transaction() as connection:
            connection.execute(text("REINDEX TABLE orders"))
            if index:
                connection.execute(text(index))
        settle(database)

    @property
    def _hot_percent(self) -> int:
        return round(self.hot_share * 100)

    def symbol_of(self, id_: int) -> str:
        """Return the symbol of an order."""
        number = id_ // self.spacing
        return f"SYM{0 if number % 100 < self._hot_percent else number % self.symbols}USDT"

    def qty_of(self, id_: int) -> Decimal:
        """Return the quantity of an order."""
        return Decimal("1.5") + id_ % 100 * Decimal("0.25")

    def require_done(self, database: Database, who: str, orders: int) -> None:
        """Make sure that exactly `orders` rows were written, rightly, and each change was logged.

        Raises:
            BenchFailed: they were not.
        """
        with database.autocommit() as connection:
            touched, right, changed = connection.execute(
                _WRITTEN, {"spacing": self.spacing, "changed_percent": self.changed_percent}
            ).one()
            entries, complete = connection.execute(_LOGGED).one()
        if (touched, right, entries, complete) != (orders, orders, changed, changed):
            raise BenchFailed(
                f"{who} was to reconcile {orders:,} orders: {touched:,} were touched, {right:,} are"
                f" right; of {entries:,} log entries, {changed:,} were due, {complete:,} whole"
            )

    def _answer(self, id_: int, fetched_at: datetime) -> Report:
        is_filled = self.changes(id_)
        return Report(
            symbol=self.symbol_of(id_),
            external_order_id=str(id_),
            word="FILLED" if is_filled else "NEW",
            status=Status.FILLED if is_filled else Status.NEW,
            executed_qty=self.qty_of(id_) if is_filled else Decimal(0),
            avg_price=100 + id_ % 1000 / Decimal(8) if is_filled else None,
            fetched_at=fetched_at,
        )


def stalest(connection: Connection, limit: int) -> Sequence[int]:
    """Read the ids of the longest unsynced open orders."""
    return connection.execute(_STALEST, {"limit": limit}).scalars().all()
