"""The ways to store and vacuum `orders` that are compared, and a table that has grown.

Autovacuum itself is off while anything is measured: it would come whenever it likes. Its rule is
applied by hand instead, as often as its launcher would look: vacuum once more rows have died than
`threshold` and `scale_factor` of the table's rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy import TextClause, text

from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.trial.orders_snapshot import settle
from reconciler.trial.scratch_database import ScratchDatabase

ENDED_PER_OPEN = 200
"""As in a table that has grown: autovacuum's share is one of all rows, what dies is of the open."""

HELD_SHARE = 0.1
FULL, ADVISED = 100, 90
FILLFACTORS = (FULL, ADVISED, 70)
SYMBOL = "BTCUSDT"

_EMPTY = text("TRUNCATE orders, activity_log, reconciliation_holds")
_FILL = text(
    "INSERT INTO orders (id, symbol, external_order_id, status, qty, executed_qty, avg_price,"
    " created_at, updated_at, last_synced_at)"
    f" SELECT n, '{SYMBOL}', n::text, CASE WHEN n > :ended THEN 'new' ELSE 'filled' END, 1,"
    " CASE WHEN n > :ended THEN 0 ELSE 1 END, CASE WHEN n > :ended THEN NULL ELSE 100 END,"
    " now() - interval '1 day', now() - interval '1 day', now() - interval '1 hour'"
    " FROM generate_series(1, cast(:total AS bigint)) AS n"
)
_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
_LOOK = text("SELECT count(*) FROM orders WHERE id = 0")


@dataclass(frozen=True, kw_only=True)
class VacuumMode:
    """A rule for when vacuum runs.

    Attributes:
        cleans_indexes: Also where few of the table's pages have dead rows: then it passes the
            indexes over by itself.
        is_held_back: A session keeps a transaction open all the while.
    """

    name: str
    threshold: int
    scale_factor: float
    cleans_indexes: bool = False
    is_held_back: bool = False

    @property
    def statement(self) -> TextClause:
        """The statement that autovacuum would run on `orders`."""
        cleanup = "ON" if self.cleans_indexes else "AUTO"
        return text(f"VACUUM (ANALYZE, INDEX_CLEANUP {cleanup}) orders")

    def is_due(self, *, dead: int, rows: int) -> bool:
        """True if autovacuum would start, by its rule."""
        return dead > self.threshold + self.scale_factor * rows


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """A fillfactor of `orders` and of the holds, and when they are vacuumed."""

    fillfactor: int
    vacuuming: VacuumMode

    @property
    def is_advised(self) -> bool:
        """True for the settings that the documents recommend."""
        return self.fillfactor == ADVISED and not self.vacuuming.cleans_indexes

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"fillfactor {self.fillfactor}, {self.vacuuming.name}"


@dataclass(frozen=True, kw_only=True)
class BloatedTable:
    """The orders of a table that has grown, by id: the ended, those never found, the open."""

    orders: int

    @property
    def ended(self) -> int:
        """The number of ended orders."""
        return self.orders * ENDED_PER_OPEN

    @property
    def held_ids(self) -> range:
        """Those that the exchange will not find."""
        return range(self.ended + 1, self.ended + 1 + round(self.orders * HELD_SHARE))

    @property
    def open_ids(self) -> range:
        """Those that are synced."""
        return range(self.held_ids.stop, self.held_ids.stop + self.orders)

    @property
    def total(self) -> int:
        """The number of rows."""
        return self.open_ids.stop - 1


def storings(orders: int) -> list[StorageSettings]:
    """Return all settings to compare, for this number of open orders.

    Held back, a table fares alike whatever its fillfactor: each row dies where it is.
    """
    delivered = VacuumMode(name="autovacuum as delivered", threshold=50, scale_factor=0.2)
    often = VacuumMode(name="once as many died as are open", threshold=orders, scale_factor=0)
    cleaning = replace(often, name=f"{often.name}, indexes too", cleans_indexes=True)
    held = replace(cleaning, name="the same, held back by a session", is_held_back=True)
    return [
        *(
            StorageSettings(fillfactor=fillfactor, vacuuming=delivered)
            for fillfactor in FILLFACTORS
        ),
        StorageSettings(fillfactor=FULL, vacuuming=often),
        *(StorageSettings(fillfactor=fillfactor, vacuuming=cleaning) for fillfactor in FILLFACTORS),
        StorageSettings(fillfactor=FULL, vacuuming=held),
    ]


def make_tables(database: Database) -> None:
    """Make `orders` and our tables, empty."""
    with database.transaction() as connection:
        sample_orders.create_orders_table(connection)
    with database.connection() as connection:
        migrations.upgrade(connection, DEFAULT_TABLE)


def lay_out(database: Database, storing: StorageSettings, grown: BloatedTable) -> None:
    """Rewrite the table."""
    with database.transaction() as connection:
        connection.execute(_EMPTY)
        for table in ("orders", "reconciliation_holds"):
            connection.execute(text(f"ALTER TABLE {table} SET (fillfactor = {storing.fillfactor})"))
        connection.execute(_FILL, {"ended": grown.ended, "total": grown.total})
    settle(database)


@contextmanager
def held_back(scratch: ScratchDatabase, vacuuming: VacuumMode) -> Iterator[None]:
    """Sit idle in a transaction with a snapshot for the block, if that is to be so."""
    if not vacuuming.is_held_back:
        yield
        return
    database = Database(scratch.url, role="bench")
    try:
        with database.transaction() as connection:
            connection.execute(_SNAPSHOT)
            connection.execute(_LOOK)
            yield
    finally:
        database.close()
