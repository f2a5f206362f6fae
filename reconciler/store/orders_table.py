"""The user's table of orders, as it is found: the values of ours in it, and how each is stored.

A statement selects from `rows` or updates `table`. Both are called `orders` in it, so a value of
ours is the same expression in both: `executed_qty` may be `orders.quantity - orders."left"`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from reconciler.config_file.orders import (
    OPTIONAL,
    FollowingColumn,
    NamedColumn,
    QuantityColumn,
    RemainingColumn,
    TimeColumn,
)
from reconciler.config_file.statuses import Statuses
from reconciler.domain.column_scale import EVERY_DIGIT, NO_COLUMN, RemainingScale, Scale
from reconciler.errors import SchemaMismatch
from reconciler.scope import Scope
from reconciler.store.column_scales import scale_of
from reconciler.store.columns import ColumnInfo, read_columns
from reconciler.store.id_uniqueness import is_id_unique
from reconciler.store.open_index import NEVER, VIEW, read_kind
from reconciler.store.order_ids import parse_id, select_id, text_id_type
from reconciler.store.orders_requirements import orders_problems, usable_columns
from reconciler.store.row_versions import row_version_problems, select_row_version
from reconciler.store.side_table import read_side_table, side_table
from reconciler.store.stored_values import (
    StoredValue,
    of_orders,
    stored_number,
    stored_text,
    stored_time,
    stored_word,
    written_type,
)
from reconciler.store.symbol_names import SymbolNames, symbol_names
from reconciler.store.tables import schema_problems
from reconciler.store.user_table import DEFAULT_TABLE, UserTable, quoted

_DATETIMES: tuple[ColumnElement[datetime], ColumnElement[datetime]] = (
    literal_column("'0001-01-02 UTC'::timestamptz"),
    literal_column("'9999-12-30 UTC'::timestamptz"),
)


@dataclass(frozen=True, kw_only=True)
class OrdersTable:
    """The user's table of orders.

    Attributes:
        user: What the configuration file says of it.
        table: What an UPDATE changes.
        stored: How each of our values is stored, by our names. What is not in it does not exist.
        following: The columns that follow the status, each with its type.
        id_type: The type of the ids.
        quantity_scale, price_scale, ordered_scale: How `executed_qty`, `avg_price` and `qty` keep a
            number.
        unusable: Columns with the name of an optional column that have an unsuitable type, or that
            our role may not read.
        has_unique_id: True if no two rows can have the same id.
        has_row_version: True if each row has a version that our role may read.
        is_view: A write goes to other tables, by the view's query or by a trigger.
        names: The exchange's names of symbols.
        side_table: Our table with the times of the last sync; None if `orders` has them itself.
    """

    user: UserTable
    table: Any
    stored: Mapping[str, StoredValue]
    following: tuple[tuple[FollowingColumn, str], ...] = ()
    id_type: TypeEngine[Any]
    quantity_scale: Scale
    price_scale: Scale
    ordered_scale: Scale = EVERY_DIGIT
    unusable: frozenset[str] = frozenset()
    has_unique_id: bool = True
    has_row_version: bool = True
    is_view: bool = False
    names: SymbolNames
    side_table: Table | None = None

    @property
    def optional(self) -> frozenset[str]:
        """The optional columns that exist and can be used."""
        return OPTIONAL & self.stored.keys()

    @property
    def logs_qty(self) -> bool:
        """True if a log entry needs the row's `qty` for its decision to be replayed."""
        return not self.quantity_scale.is_exact

    @property
    def scope(self) -> Scope:
        """Whose holds, halt and log entries belong to these orders."""
        return self.user.scope

    @property
    def statuses(self) -> Statuses:
        """The user's words for statuses."""
        return self.user.config.statuses

    @cached_property
    def rows(self) -> FromClause:
        """What to select from: the rows that are this program's."""
        where = self.user.config.where
        if where is None:
            whole: FromClause = self.table
            return whole
        versions = ("xmin", "ctid", "xmax", "tableoid") if self.has_row_version else ()
        columns: list[Any] = [literal_column(name) for name in ("*", *versions)]
        condition = literal_column(f"({where})", Boolean)
        mine = select(*columns).select_from(_as_table(self.user)).where(condition)
        return mine.subquery("orders")

    @property
    def is_ours(self) -> ColumnElement[bool]:
        """The condition that a row of `table` is this program's."""
        where = self.user.config.where
        if where is None:
            return true()
        name = quoted(self.user.config.table.name)
        # The filter may name the table; inside of our statements it has another name.
        return literal_column(f"(SELECT ({where}) FROM (SELECT orders.*) AS {name})", Boolean)  # noqa: S608 - checked

    def whole_table(self, name: str) -> FromClause:
        """Return the table with all its rows, under another name."""
        id_ = Column(self.user.config.columns.id.name, self.id_type)
        return _as_table(self.user, id_).alias(name)

    @property
    def rows_with_sync_time(self) -> FromClause:
        """What to select from, if the statement uses `last_synced_at` or `synced_at`."""
        if self.side_table is None:
            return self.rows
        return self.rows.outerjoin(self.side_table, self.side_table.c.order_id == self.id)

    @cached_property
    def id(self) -> ColumnElement[Any]:
        """The id, as it is stored."""
        return literal_column(of_orders(self.user.config.columns.id.name), self.id_type)

    @cached_property
    def symbol(self) -> ColumnElement[Any]:
        """What the table has of the symbol, as it is stored: a text, or a key."""
        return literal_column(self.user.symbol_of("orders."))

    @cached_property
    def is_open(self) -> ColumnElement[bool]:
        """The condition that an order is open, and known at the exchange."""
        return literal_column(f"({self.user.open_orders_of('orders.')})", Boolean)

    @property
    def last_synced_at(self) -> ColumnElement[Any]:
        """The time of the last sync; null if the order was never synced."""
        if self.side_table is not None:
            return self.side_table.c.last_synced_at
        return self.value("last_synced_at", DateTime(timezone=True))

    @property
    def synced_at(self) -> ColumnElement[Any]:
        """The time of the last sync; NEVER if the order was never synced."""
        return func.coalesce(self.last_synced_at, literal_column(NEVER))

    @property
    def external_order_id(self) -> ColumnElement[Any]:
        """The exchange's id, as text."""
        return self.value("external_order_id", Text())

    @property
    def status(self) -> ColumnElement[Any]:
        """The status in the user's word, in our spelling of it if the column ignores case."""
        return self.value("status", Text())

    @property
    def executed_qty(self) -> ColumnElement[Any]:
        """The quantity executed, as a numeric."""
        return self.value("executed_qty", Numeric())

    @property
    def avg_price(self) -> ColumnElement[Any]:
        """The average price, as a numeric with every digit that its column keeps."""
        return self.value("avg_price", Numeric())

    def value(self, name: str, kind: TypeEngine[Any]) -> ColumnElement[Any]:
        """Select one of our values; null if the table has none."""
        stored = self.stored.get(name)
        return null() if stored is None else literal_column(stored.read, kind)

    def row_columns(self) -> tuple[Any, ...]:
        """Select what an order is decided by, in this order, however the columns are stored.

        That is: id, symbol, external_order_id, status, executed_qty, avg_price, created_at, qty,
        side, client_order_id. Symbol and status are the user's; the last four are null if the table
        has no such column.
        """
        return (
            select_id(self.id),
            cast(self.symbol, Text).label("symbol"),
            self.as_text("external_order_id"),
            self.status.label("status"),
            self.executed_qty.label("executed_qty"),
            self.avg_price.label("avg_price"),
            self.moment("created_at"),
            self.as_text("qty"),
            self.as_text("side"),
            self.as_text("client_order_id"),
        )

    @property
    def id_type_name(self) -> str:
        """The type of the ids in PostgreSQL's words."""
        name: str = self.id_type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call] # SQLAlchemy's
        return name.lower()

    def parse_id(self, text: str) -> Any:
        """Return an order's id from its text.

        Raises:
            ValueError: no row of this table can have such an id.
        """
        return parse_id(text, self.id_type)

    def moment(self, name: str) -> Any:
        """Select an optional time; null for one that no datetime can hold, such as 'infinity'."""
        if name not in self.stored:
            return null().label(name)
        time = self.value(name, DateTime(timezone=True))
        return case((is_datetime(time), time)).label(name)

    def row_version(self) -> Any:
        """Select what is the same exactly as long as nobody writes the row; '' if nothing is."""
        return select_row_version(exists=self.has_row_version).label("version")

    def as_text(self, name: str) -> Any:
        """Select an optional value as text; null if it does not exist."""
        value = self.value(name, Text())
        return (value if name not in self.stored else cast(value, Text)).label(name)

    def written_column(self, name: str) -> Any:
        """Return the column of `table` that has one of our values."""
        column = self.stored[name].column
        assert column is not None  # noqa: S101 - each of them has one
        return self.table.c[column]


def is_datetime(time: Any) -> Any:
    """Return the condition that a datetime can hold a time of PostgreSQL's."""
    return time.between(*_DATETIMES)


def read_orders_table(connection: Connection, table: UserTable = DEFAULT_TABLE) -> OrdersTable:
    """Read the columns of the user's table.

    Raises:
        SchemaMismatch: it is missing or does not fit; has every problem with its hint.
    """
    has_side_table = table.uses_side_table or bool(read_side_table(connection))
    if problems := orders_problems(connection, table, with_side_table=has_side_table):
        raise SchemaMismatch(problems)
    found = read_columns(connection, table.name)
    usable = usable_columns(table, found, with_side_table=has_side_table)
    columns = table.config.columns
    id_type = _id_type(found[columns.id.name])
    return OrdersTable(
        user=table,
        table=_as_updated(table, found),
        stored=_stored(table, found, usable),
        following=tuple((one, written_type(found[one.name])) for one in table.config.also_write),
        id_type=id_type,
        quantity_scale=_scale_of(found, columns.executed_qty),
        price_scale=_scale_of(found, columns.avg_price) if "avg_price" in usable else NO_COLUMN,
        ordered_scale=_scale_of(found, columns.qty) if "qty" in usable else EVERY_DIGIT,
        unusable=frozenset(
            name
            for name in OPTIONAL - usable
            if (column := getattr(columns, name)) is not None and column.name in found
        ),
        has_unique_id=is_id_unique(connection, table),
        has_row_version=not row_version_problems(connection, table),
        is_view=read_kind(connection, table) == VIEW,
        names=symbol_names(table, found),
        side_table=side_table(id_type) if has_side_table else None,
    )


def require_schema(connection: Connection, table: UserTable = DEFAULT_TABLE) -> OrdersTable:
    """Read the columns of the user's table, and check our tables and index.

    Raises:
        SchemaMismatch: has every problem of all of them.
    """
    problems = schema_problems(connection, table)
    try:
        orders = read_orders_table(connection, table)
    except SchemaMismatch as error:
        raise SchemaMismatch([*error.problems, *problems]) from None
    if problems:
        raise SchemaMismatch(problems)
    return orders


def _as_table(table: UserTable, *columns: Column[Any]) -> Table:
    name = table.config.table
    return Table(name.name, MetaData(), *columns, schema=name.schema)


def _as_updated(table: UserTable, found: Mapping[str, ColumnInfo]) -> Any:
    """Return the table for an UPDATE; it is called `orders` in each statement."""
    written = _as_table(table, *(Column(name) for name in found))
    return written if table.name == "orders" else written.alias("orders")


def _stored(
    table: UserTable, found: Mapping[str, ColumnInfo], usable: frozenset[str]
) -> dict[str, StoredValue]:
    columns = table.config.columns
    stored: dict[str, StoredValue] = {}
    for name in sorted(usable):
        column = getattr(columns, name)
        match column:
            case TimeColumn():
                stored[name] = stored_time(column, found[column.name])
            case QuantityColumn():
                stored[name] = stored_number(column, found[column.name])
            case RemainingColumn(of=of):
                stored[name] = stored_number(column, found[column.name], found[of])
            case NamedColumn() if name == "status":
                words = tuple(table.config.statuses.meanings)
                stored[name] = stored_word(column.name, found[column.name], words)
            case NamedColumn():
                stored[name] = stored_text(column.name, found[column.name])
    return stored


def _scale_of(found: Mapping[str, ColumnInfo], column: Any) -> Scale:
    scale = scale_of(found[column.name], column.scale)
    return RemainingScale(scale) if isinstance(column, RemainingColumn) else scale


_ID_TYPES: Mapping[str, TypeEngine[Any]] = {
    "smallint": SmallInteger(),
    "integer": Integer(),
    "bigint": BigInteger(),
    "uuid": Uuid(),
}


def _id_type(column: ColumnInfo) -> TypeEngine[Any]:
    return text_id_type(column.type) or _ID_TYPES[column.type]
