"""What `[orders]` says: the user's table, and how its values become ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from enum import StrEnum

from reconciler.config_file.sql_text import TableName
from reconciler.config_file.statuses import Statuses
from reconciler.config_file.symbols import Symbols
from reconciler.errors import Problem

UTC = "UTC"
PAPER = "paper"


class TimeUnit(StrEnum):
    """What a column of times holds. `NAIVE`: timestamps without a zone, in one that is given."""

    TIMESTAMPTZ = "timestamptz"
    NAIVE = "naive"
    EPOCH_S = "epoch-s"
    EPOCH_MS = "epoch-ms"
    EPOCH_US = "epoch-us"
    EPOCH_NS = "epoch-ns"


EPOCH_PLACES: Mapping[TimeUnit, int] = {
    TimeUnit.EPOCH_S: 0,
    TimeUnit.EPOCH_MS: 3,
    TimeUnit.EPOCH_US: 6,
    TimeUnit.EPOCH_NS: 9,
}
"""The decimal places of a second that each unit since 1970 counts."""


@dataclass(frozen=True, kw_only=True)
class NamedColumn:
    """A column whose value is taken as it is. Names are those that the database stores."""

    name: str


@dataclass(frozen=True, kw_only=True)
class JoinedColumns:
    """Columns whose texts make one symbol, one after the other."""

    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class QueriedColumn:
    """A column with a key; `query`, a SELECT with `:value`, gives the symbol for it."""

    name: str
    query: str


@dataclass(frozen=True, kw_only=True)
class QuantityColumn:
    """A column with a quantity or a price: its value times `scale`, a power of ten."""

    name: str
    scale: Decimal = Decimal(1)


@dataclass(frozen=True, kw_only=True)
class RemainingColumn:
    """A column with what is not executed yet of the quantity in the column `of`."""

    name: str
    of: str
    scale: Decimal = Decimal(1)


@dataclass(frozen=True, kw_only=True)
class TimeColumn:
    """A column with a time. `zone` is set if and only if the unit is naive."""

    name: str
    unit: TimeUnit = TimeUnit.TIMESTAMPTZ
    zone: str | None = None


@dataclass(frozen=True, kw_only=True)
class SideTable:
    """The times of the last sync are in our own table `reconciliation_sync`."""


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The same value for every row."""

    value: str


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where each of our columns is in the user's table.

    Attributes:
        named: Our names for the columns that the file names. Another optional column is used only
            where it exists.
    """

    id: NamedColumn = NamedColumn(name="id")
    symbol: NamedColumn | JoinedColumns | QueriedColumn = NamedColumn(name="symbol")
    external_order_id: NamedColumn = NamedColumn(name="external_order_id")
    status: NamedColumn = NamedColumn(name="status")
    executed_qty: QuantityColumn | RemainingColumn = QuantityColumn(name="executed_qty")
    last_synced_at: TimeColumn | SideTable = TimeColumn(name="last_synced_at")
    avg_price: QuantityColumn | None = QuantityColumn(name="avg_price")
    qty: QuantityColumn | None = QuantityColumn(name="qty")
    client_order_id: NamedColumn | None = NamedColumn(name="client_order_id")
    side: NamedColumn | None = NamedColumn(name="side")
    created_at: TimeColumn | None = TimeColumn(name="created_at")
    updated_at: TimeColumn | None = TimeColumn(name="updated_at")
    exchange: NamedColumn | Constant | None = None
    account: NamedColumn | Constant | None = None
    named: frozenset[str] = frozenset()


COLUMN_KEYS = tuple(column.name for column in fields(Columns) if column.name != "named")
OPTIONAL = frozenset({"avg_price", "qty", "client_order_id", "side", "created_at", "updated_at"})

ColumnValue = str | int | bool


@dataclass(frozen=True, kw_only=True)
class FollowingColumn:
    """A column that is written with the status. A value that is None is not written."""

    name: str
    open: ColumnValue | None
    ended: ColumnValue | None


@dataclass(frozen=True, kw_only=True)
class OrdersConfig:
    """The user's table of orders.

    Attributes:
        where: A condition on the rows that are ours.
        scope: The name of this program among several over one table.
    """

    table: TableName = field(default_factory=lambda: TableName(name="orders"))
    where: str | None = None
    scope: str | None = None
    columns: Columns = field(default_factory=Columns)
    statuses: Statuses = field(default_factory=Statuses)
    also_write: tuple[FollowingColumn, ...] = ()
    symbols: Symbols = field(default_factory=Symbols)

    def of_exchange(self, name: str) -> "OrdersConfig":
        """Return this for a program that asks one exchange: other exchanges' rows are not its own.

        Where a column names the exchange, its text is compared with `name`, without blanks and
        without case. The paper exchange stands for any.
        """
        column = self.columns.exchange
        if not isinstance(column, NamedColumn) or name == PAPER:
            return self
        quoted, wanted = column.name.replace('"', '""'), exchange_in_rows(name)
        is_of_it = f"""lower(btrim(CAST("{quoted}" AS text))) = '{wanted.replace("'", "''")}'"""
        mine = "" if self.where is None else f"({self.where}) AND "
        return replace(self, where=f"{mine}{is_of_it}")

    def exchange_problem(self, name: str) -> Problem | None:
        """Return a problem if the file says that all rows are of another exchange than `name`."""
        column = self.columns.exchange
        if not isinstance(column, Constant) or name == PAPER:
            return None
        theirs = column.value.strip()
        if theirs.lower() == exchange_in_rows(name):
            return None
        return Problem(
            what=f"reconciler.toml says that all rows are of the exchange {theirs}, but"
            f" EXCHANGE_NAME is {name}: every order would be looked for at the wrong exchange",
            hint=f"set EXCHANGE_NAME to {theirs}, or correct exchange in [orders.columns]",
        )


def exchange_in_rows(name: str) -> str:
    """Return what rows of an exchange say, in small letters: `kraken` for `ccxt:Kraken`."""
    return name.lower().rpartition(":")[2]
