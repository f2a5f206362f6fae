"""The tables: the user's `orders`, found as it is, and our own.

`orders` belongs to the application. We reflect it, accept what fits (integer or uuid ids, text or
enum status, any numeric scale, domains over these) and name everything that does not, each with its
mend. Ours are made by the migrations beside this file; their definitions here serve the statements.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    case,
    inspect,
    literal_column,
    null,
)
from sqlalchemy.dialects.postgresql import JSONB

from reconciler.errors import Problem, SchemaMismatch
from reconciler.store.requirements import (
    DETAILS,
    KEY,
    MOMENT,
    MONEY,
    STATUS,
    TEXT,
    Requirement,
    Types,
    base_type,
    column_problems,
)
from reconciler.store.stale_index import index_problems

metadata = MetaData()

activity_log = Table(
    "activity_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

holds = Table(
    "reconciliation_holds",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_held_at", DateTime(timezone=True), nullable=False),
    Column("next_attempt_at", DateTime(timezone=True), nullable=False),
    Column("resolved_at", DateTime(timezone=True)),
    Column("resolution", Text),
    Column("row_facts", JSONB, nullable=False),
    Column("report", JSONB),
)

state = Table(
    "reconciliation_state",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSONB, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
)

cycles = Table(
    "reconciliation_cycles",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("host", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True), nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("scanned", Integer, nullable=False),
    Column("reconciled", Integer, nullable=False),
    Column("discrepancies", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("skipped_locked", Integer, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("transitions", JSONB, nullable=False),
)


_DATETIMES: tuple[ColumnElement[datetime], ColumnElement[datetime]] = (
    literal_column("'0001-01-02 UTC'::timestamptz"),
    literal_column("'9999-12-30 UTC'::timestamptz"),
)


@dataclass(frozen=True, kw_only=True)
class OrdersTable:
    """The application's `orders` as far as it concerns us.

    `optional` are those of qty, client_order_id, created_at, updated_at that exist. A scale of None
    is a numeric column that keeps every digit.
    """

    table: Table
    optional: frozenset[str]
    quantity_scale: int | None
    price_scale: int | None

    @property
    def c(self) -> Any:
        """The columns, by name."""
        return self.table.c

    def moment(self, name: str) -> Any:
        """Select a time that may be missing; one that no datetime can hold, 'infinity', as none."""
        if name not in self.optional:
            return null().label(name)
        return case((is_datetime(self.c[name]), self.c[name])).label(name)


def is_datetime(time: Any) -> Any:
    """Return the condition that a time of PostgreSQL's is one that a datetime can hold."""
    return time.between(*_DATETIMES)


def find_orders(connection: Connection) -> OrdersTable:
    """Read the shape of `orders`.

    Raises:
        SchemaMismatch: it is missing or does not fit; carries every problem with its mend.
    """
    types = _read_types(connection, "orders")
    if problems := _orders_problems(types):
        raise SchemaMismatch(problems)
    scales = _read_scales(connection)
    optional = frozenset(types) & {"qty", "client_order_id", "created_at", "updated_at"}
    return OrdersTable(
        table=Table(
            "orders",
            MetaData(),
            *(Column(name, types[name]) for name in (*_ORDERS, *sorted(optional))),
        ),
        optional=optional,
        quantity_scale=scales["executed_qty"],
        price_scale=scales["avg_price"],
    )


def require_schema(connection: Connection) -> OrdersTable:
    """Read the shape of `orders` and make sure of our tables and index.

    Raises:
        SchemaMismatch: carries every problem of the one and of the others.
    """
    problems = missing_parts(connection)
    try:
        orders = find_orders(connection)
    except SchemaMismatch as error:
        raise SchemaMismatch([*error.problems, *problems]) from None
    if problems:
        raise SchemaMismatch(problems)
    return orders


def missing_parts(connection: Connection) -> list[Problem]:
    """Name what `db upgrade` has yet to make, or made only in part, or may not make."""
    inspector = inspect(connection)
    return [
        *(
            Problem(what=f"table {table.name} is missing", mend="run: reconciler db upgrade")
            for table in metadata.sorted_tables
            if not inspector.has_table(table.name)
        ),
        *log_problems(connection),
        *index_problems(connection),
    ]


def log_problems(connection: Connection) -> list[Problem]:
    """Name why an `activity_log` of the application's own cannot take our entries."""
    types = _read_types(connection, "activity_log")
    if not types:
        return []
    unfilled = [
        Problem(
            what=f"activity_log.{name} is NOT NULL without a default, and not ours to fill",
            mend=f"run: ALTER TABLE activity_log ALTER COLUMN {name} DROP NOT NULL",
        )
        for name in _read_mandatory(connection, "activity_log")
        if name not in _LOG
    ]
    return column_problems("activity_log", _LOG, types) + unfilled


_ORDERS: dict[str, Requirement] = {
    "id": KEY,
    "symbol": TEXT,
    "external_order_id": TEXT,
    "status": STATUS,
    "executed_qty": MONEY,
    "avg_price": MONEY,
    "last_synced_at": MOMENT,
}
_ORDERS_OPTIONAL = {"created_at": MOMENT, "updated_at": MOMENT}
_LOG = {
    "id": KEY,
    "order_id": TEXT,
    "action": TEXT,
    "details": DETAILS,
    "created_at": MOMENT,
}

_MISSING_TABLE = Problem(
    what="table orders is missing (looked for on the search_path)",
    mend="name the application's database in DATABASE_URL, or on an empty one run:"
    " reconciler db upgrade --with-orders",
)


def _orders_problems(types: Types) -> list[Problem]:
    if not types:
        return [_MISSING_TABLE]
    present = {name: rule for name, rule in _ORDERS_OPTIONAL.items() if name in types}
    return column_problems("orders", _ORDERS | present, types)


def _read_types(connection: Connection, table: str) -> Types:
    """Read the columns' types, domains unwrapped; nothing where there is no such table."""
    inspector = inspect(connection)
    if not inspector.has_table(table):
        return {}
    return {column["name"]: base_type(column["type"]) for column in inspector.get_columns(table)}


def _read_mandatory(connection: Connection, table: str) -> list[str]:
    """Read the names of the columns that an INSERT has to fill."""
    return [
        column["name"]
        for column in inspect(connection).get_columns(table)
        if not (
            column["nullable"]
            or column["default"]
            or column.get("identity")
            or column.get("computed")
        )
    ]


def _read_scales(connection: Connection) -> dict[str, int | None]:
    """Read the decimal places of `orders`' numeric columns, also where a domain sets them.

    Not from information_schema's views: they hide columns that we may not read.
    """
    rows = connection.exec_driver_sql(
        "SELECT attname::text AS column_name, information_schema._pg_numeric_scale("
        "information_schema._pg_truetypid(a, t), information_schema._pg_truetypmod(a, t))::int"
        " AS numeric_scale FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
        " WHERE a.attrelid = to_regclass('orders') AND a.attnum > 0 AND NOT a.attisdropped"
    )
    return {row.column_name: row.numeric_scale for row in rows}
