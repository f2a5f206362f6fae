"""The application's `orders`, as it is found.

We read its columns, accept those that fit (integer or uuid ids, text or enum status, any numeric
scale or float, domains over these) and name all that do not, each with its hint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Double,
    Float,
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
)
from sqlalchemy.dialects.postgresql import ENUM, REAL
from sqlalchemy.types import TypeEngine

from reconciler.domain.column_scale import EVERY_DIGIT, Scale
from reconciler.errors import Problem, SchemaMismatch
from reconciler.scope import UNSCOPED, Scope
from reconciler.store.column_requirements import (
    AVERAGE,
    ID,
    MOMENT,
    MONEY,
    QUANTITY,
    SIDE,
    STATUS,
    SYNC_TIME,
    TEXT,
    Requirement,
    column_problems,
    fits,
)
from reconciler.store.column_scales import scale_of
from reconciler.store.columns import ColumnInfo, read_columns
from reconciler.store.id_uniqueness import id_problems, is_id_unique
from reconciler.store.open_index import NEVER
from reconciler.store.row_versions import row_version_problems, select_row_version
from reconciler.store.rules import rule_problems
from reconciler.store.side_table import read_side_table, side_table, side_table_problems
from reconciler.store.status_sql import status_as_text
from reconciler.store.tables import schema_problems
from reconciler.store.user_table import DEFAULT_TABLE, UserTable

_DATETIMES: tuple[ColumnElement[datetime], ColumnElement[datetime]] = (
    literal_column("'0001-01-02 UTC'::timestamptz"),
    literal_column("'9999-12-30 UTC'::timestamptz"),
)


@dataclass(frozen=True, kw_only=True)
class OrdersTable:
    """The application's `orders`: the columns that we use.

    Attributes:
        optional: The optional columns that exist and can be used.
        quantity_scale, price_scale, ordered_scale: How `executed_qty`, `avg_price` and `qty` keep a
            number.
        unusable: Columns with the name of an optional column that have an unsuitable type, or that
            our role may not read.
        has_exact_status: True if two words in `status` are equal only if all their letters are.
        has_unique_id: True if no two rows can have the same id.
        has_row_version: True if each row has a version that our role may read.
        side_table: Our table with the times of the last sync; None if `orders` has them itself.
        scope: Whose holds, halt and log entries belong to these orders.
        user: What the configuration file says of it.
    """

    table: Table
    optional: frozenset[str]
    quantity_scale: Scale
    price_scale: Scale
    ordered_scale: Scale = EVERY_DIGIT
    unusable: frozenset[str] = frozenset()
    has_exact_status: bool = True
    has_unique_id: bool = True
    has_row_version: bool = True
    side_table: Table | None = None
    scope: Scope = UNSCOPED
    user: UserTable = DEFAULT_TABLE

    @property
    def c(self) -> Any:
        """The columns, by name."""
        return self.table.c

    @property
    def logs_qty(self) -> bool:
        """True if a log entry needs the row's `qty` for its decision to be replayed."""
        return not self.quantity_scale.is_exact

    @property
    def with_sync_time(self) -> FromClause:
        """What to select from, if the statement uses `last_synced_at` or `synced_at`."""
        if self.side_table is None:
            return self.table
        return self.table.outerjoin(self.side_table, self.side_table.c.order_id == self.c.id)

    @property
    def last_synced_at(self) -> ColumnElement[Any]:
        """The time of the last sync; null if the order was never synced."""
        table = self.table if self.side_table is None else self.side_table
        return table.c.last_synced_at

    @property
    def synced_at(self) -> ColumnElement[Any]:
        """The time of the last sync; NEVER if the order was never synced."""
        return func.coalesce(self.last_synced_at, literal_column(NEVER))

    @property
    def status(self) -> Any:
        """Select the status as text; as our own word if the database considers it equal."""
        word = status_as_text("orders.status", is_exact=self.has_exact_status)
        return literal_column(word, Text).label("status")

    def row_columns(self) -> tuple[Any, ...]:
        """Select what an order is decided by, in this order, however the columns are stored.

        That is: id, symbol, external_order_id, status, executed_qty, avg_price, created_at, qty,
        side, client_order_id. The last four are null if the table has no such column.
        """
        return (
            self.c.id,
            cast(self.c.symbol, Text).label("symbol"),
            cast(self.c.external_order_id, Text).label("external_order_id"),
            self.status,
            self.c.executed_qty,
            self.amount("avg_price"),
            self.moment("created_at"),
            self.as_text("qty"),
            self.as_text("side"),
            self.as_text("client_order_id"),
        )

    def parse_id(self, text: str) -> Any:
        """Return an order's id from its text.

        Raises:
            ValueError: no row of this table can have such an id.
        """
        return UUID(text) if isinstance(self.c.id.type, Uuid) else int(text)

    def moment(self, name: str) -> Any:
        """Select an optional time; null for one that no datetime can hold, such as 'infinity'."""
        if name not in self.optional:
            return null().label(name)
        return case((is_datetime(self.c[name]), self.c[name])).label(name)

    def amount(self, name: str) -> Any:
        """Select a number as a numeric with every digit that its column keeps."""
        column = self.c[name]
        is_float = isinstance(column.type, Float)
        return cast(cast(column, Text), Numeric).label(name) if is_float else column

    def row_version(self) -> Any:
        """Select what is the same exactly as long as nobody writes the row; '' if nothing is."""
        return select_row_version(exists=self.has_row_version).label("version")

    def as_text(self, name: str) -> Any:
        """Select an optional column as text; null if it does not exist."""
        return (cast(self.c[name], Text) if name in self.optional else null()).label(name)


def is_datetime(time: Any) -> Any:
    """Return the condition that a datetime can hold a time of PostgreSQL's."""
    return time.between(*_DATETIMES)


def read_orders_table(
    connection: Connection, table: UserTable = DEFAULT_TABLE, scope: Scope = UNSCOPED
) -> OrdersTable:
    """Read the columns of `orders`.

    Raises:
        SchemaMismatch: it is missing or does not fit; has every problem with its hint.
    """
    found = read_columns(connection, "orders")
    has_side_table = bool(read_side_table(connection))
    if problems := orders_problems(connection, table, with_side_table=has_side_table):
        raise SchemaMismatch(problems)
    present = frozenset(found) & frozenset(_COMPARED)
    unusable = frozenset(name for name in present if not fits(found[name], _COMPARED[name]))
    optional = (frozenset(found) & frozenset(_ORDERS_OPTIONAL)) | (present - unusable)
    names = _required(with_side_table=has_side_table)
    return OrdersTable(
        table=Table(
            "orders",
            MetaData(),
            *(Column(name, _type_of(found[name])) for name in (*names, *sorted(optional))),
        ),
        optional=optional,
        quantity_scale=scale_of(found["executed_qty"]),
        price_scale=scale_of(found["avg_price"]),
        ordered_scale=scale_of(found["qty"]) if "qty" in optional else EVERY_DIGIT,
        unusable=unusable,
        has_exact_status=found["status"].is_exact,
        has_unique_id=is_id_unique(connection, table),
        has_row_version=not row_version_problems(connection, table),
        side_table=side_table(_type_of(found["id"])) if has_side_table else None,
        scope=scope,
        user=table,
    )


def orders_problems(
    connection: Connection, table: UserTable = DEFAULT_TABLE, *, with_side_table: bool
) -> list[Problem]:
    """Name each reason why `orders`, or the side table if there is one, is not suitable."""
    found = read_columns(connection, "orders")
    if not found:
        return [_MISSING_TABLE]
    present = {name: rule for name, rule in _ORDERS_OPTIONAL.items() if name in found}
    return [
        *column_problems("orders", _required(with_side_table=with_side_table) | present, found),
        *side_table_problems(read_side_table(connection), found, table),
        *(id_problems(connection, table) if "id" in found else ()),
        *rule_problems(connection, "orders", "UPDATE"),
    ]


def require_schema(
    connection: Connection, table: UserTable = DEFAULT_TABLE, scope: Scope = UNSCOPED
) -> OrdersTable:
    """Read the columns of `orders`, and check our tables and index.

    Raises:
        SchemaMismatch: has every problem of all of them.
    """
    problems = schema_problems(connection, table)
    try:
        orders = read_orders_table(connection, table, scope)
    except SchemaMismatch as error:
        raise SchemaMismatch([*error.problems, *problems]) from None
    if problems:
        raise SchemaMismatch(problems)
    return orders


_SYNC = "last_synced_at"
_ORDERS: dict[str, Requirement] = {
    "id": ID,
    "symbol": TEXT,
    "external_order_id": TEXT,
    "status": STATUS,
    "executed_qty": MONEY,
    "avg_price": AVERAGE,
    _SYNC: SYNC_TIME,
}
_ORDERS_OPTIONAL = {"created_at": MOMENT, "updated_at": MOMENT}
# To tell an order from another. If a column of this name has another type, that is no problem.
_COMPARED = {"qty": QUANTITY, "side": SIDE, "client_order_id": TEXT}

_MISSING_TABLE = Problem(
    what="table orders is missing (looked for on the search_path)",
    hint="name the application's database in DATABASE_URL, or on an empty one run:"
    " reconciler db upgrade --with-orders",
)


def _required(*, with_side_table: bool) -> dict[str, Requirement]:
    return {name: rule for name, rule in _ORDERS.items() if name != _SYNC or not with_side_table}


_TYPES: Mapping[str, TypeEngine[Any]] = {
    "smallint": SmallInteger(),
    "integer": Integer(),
    "bigint": BigInteger(),
    "uuid": Uuid(),
    "numeric": Numeric(),
    "double precision": Double(),
    "real": REAL(),
    "timestamp with time zone": DateTime(timezone=True),
}


def _type_of(column: ColumnInfo) -> TypeEngine[Any]:
    """Return SQLAlchemy's type for a column; the database checks the length of a text."""
    if column.enum is not None:
        return ENUM(*column.enum.labels, name=column.enum.name, schema=column.enum.schema)
    return _TYPES.get(column.type, Text())
