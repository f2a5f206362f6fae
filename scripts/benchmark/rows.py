"""The orders that all contenders work on: restored before every round, counted after it.

Open orders stand among ended ones, as in a table that has grown: `ENDED_PER_OPEN` ended ones to
each. What the exchange says of every open order is the same everywhere: it was filled, at a price
that follows from its id. So a round has changed exactly the rows that were wanted, or it fails.
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
from reconciler.trial.orders_snapshot import restore
from scripts.benchmark.figures import BenchFailed

ENDED_PER_OPEN = 2
SPACING = ENDED_PER_OPEN + 1
EXCHANGE = "bench"

# The same for all: the table has the columns that one of the ways of working needs.
_LEASES = (
    "ALTER TABLE orders ADD COLUMN IF NOT EXISTS leased_by integer",
    "ALTER TABLE orders ADD COLUMN IF NOT EXISTS leased_until timestamptz",
)
_QTY = "1.5 + n % 100 * 0.25"
_FILL = text(
    "INSERT INTO orders_snapshot"
    " (id, symbol, external_order_id, status, qty, executed_qty, avg_price,"
    " created_at, updated_at, last_synced_at)"
    " SELECT n, 'SYM' || CASE WHEN (n / :spacing) % 100 < :hot_percent THEN 0"
    " ELSE (n / :spacing) % :symbols END || 'USDT', n::text,"
    f" CASE WHEN n % :spacing = 0 THEN 'new' ELSE 'filled' END, {_QTY},"
    f" CASE WHEN n % :spacing = 0 THEN 0 ELSE {_QTY} END,"
    " CASE WHEN n % :spacing = 0 THEN NULL ELSE 100 END,"
    " now() - interval '1 day', now() - interval '1 day',"
    " now() - interval '1 hour' - n * 7919 % :total * interval '1 ms'"
    " FROM generate_series(1, cast(:total AS bigint)) AS n"
)
_CHANGED = text(
    "SELECT count(*) FILTER (WHERE o.status = 'filled' AND o.executed_qty = o.qty"
    " AND o.avg_price = 100 + o.id % 1000 / 8.0 AND o.updated_at > s.updated_at"
    " AND o.last_synced_at > s.last_synced_at) AS changed,"
    " count(*) FILTER (WHERE o.status <> 'new' OR o.last_synced_at <> s.last_synced_at) AS touched"
    " FROM orders AS o JOIN orders_snapshot AS s USING (id) WHERE s.status = 'new'"
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
    """The number of open orders, of symbols, and the share of the hot symbol.

    `hot_share` of them are of the first symbol, whatever the spread of the others.
    """

    orders: int
    symbols: int = 12
    hot_share: float = 0.0

    @property
    def total(self) -> int:
        """The number of rows in the table; ids run from 1 to this."""
        return self.orders * SPACING

    def answers(self) -> dict[int, Report]:
        """Return what the exchange says now of every open order, by id."""
        fetched_at = datetime.now(UTC)
        return {
            id_: _truth_of(id_, self._symbol_of(id_), fetched_at)
            for id_ in range(SPACING, self.total + 1, SPACING)
        }

    def make(self, database: Database) -> None:
        """Make the tables, and a orders_snapshot of the rows as they are to be before a round."""
        with database.transaction() as connection:
            sample_orders.create_orders_table(connection)
            for statement in _LEASES:
                connection.execute(text(statement))
        with database.connection() as connection:
            migrations.upgrade(connection)
        with database.transaction() as connection:
            connection.execute(text("DROP TABLE IF EXISTS orders_snapshot"))
            connection.execute(text("CREATE UNLOGGED TABLE orders_snapshot (LIKE orders)"))
            shape = {
                "spacing": SPACING,
                "symbols": self.symbols,
                "total": self.total,
                "hot_percent": self._hot_percent,
            }
            connection.execute(_FILL, shape)

    def put_back(self, database: Database) -> None:
        """Restore the rows: a fresh table for each contender, without dead rows or dirty pages."""
        restore(database)

    @property
    def _hot_percent(self) -> int:
        return round(self.hot_share * 100)

    def _symbol_of(self, id_: int) -> str:
        config = id_ // SPACING
        return f"SYM{0 if config % 100 < self._hot_percent else config % self.symbols}USDT"

    def require_done(self, database: Database, who: str, orders: int) -> None:
        """Make sure that exactly `orders` rows were changed, rightly, each with a whole log entry.

        Raises:
            BenchFailed: they were not.
        """
        with database.autocommit() as connection:
            changed, touched = connection.execute(_CHANGED).one()
            entries, complete = connection.execute(_LOGGED).one()
        if (changed, touched, entries, complete) != (orders, orders, orders, orders):
            raise BenchFailed(
                f"{who} was to change {orders:,} orders: {touched:,} were touched, {changed:,} are"
                f" right, and of {entries:,} log entries {complete:,} are whole"
            )


def stalest(connection: Connection, limit: int) -> Sequence[int]:
    """Read the ids of the longest unsynced open orders."""
    return connection.execute(_STALEST, {"limit": limit}).scalars().all()


def _truth_of(id_: int, symbol: str, fetched_at: datetime) -> Report:
    return Report(
        symbol=symbol,
        external_order_id=str(id_),
        word="FILLED",
        status=Status.FILLED,
        executed_qty=Decimal("1.5") + id_ % 100 * Decimal("0.25"),
        avg_price=100 + id_ % 1000 / Decimal(8),
        fetched_at=fetched_at,
    )
