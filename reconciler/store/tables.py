"""The tables: the user's `orders`, found as it is, and our own.

`orders` belongs to the application. We reflect it, accept what fits (integer or uuid ids, text or
enum status, any numeric scale) and name everything that does not, each with its mend. Ours are made
by the migrations beside this file; their definitions here serve the statements.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Float,
    Identity,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    inspect,
)
from sqlalchemy.dialects.postgresql import ENUM, JSONB
from sqlalchemy.types import TypeEngine

from reconciler.domain.status import Status
from reconciler.errors import Problem, SchemaMismatch

STALE_INDEX = "reconciler_stale_orders"

# One text for the index and for the query: PostgreSQL uses a partial index only if it can prove
# that the query's condition implies the index's, and it proves that best of the same words.
OPEN_ORDERS = "external_order_id IS NOT NULL AND status IN ('pending', 'partial', 'new')"
NEVER = "'-infinity'::timestamptz"
SYNCED_AT = f"COALESCE(last_synced_at, {NEVER})"

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


def find_orders(connection: Connection) -> OrdersTable:
    """Read the shape of `orders`.

    Raises:
        SchemaMismatch: it is missing or does not fit; carries every problem with its mend.
    """
    inspector = inspect(connection)
    if not (inspector.has_table("orders") or "orders" in inspector.get_view_names()):
        raise SchemaMismatch([_MISSING_TABLE])
    types = {column["name"]: column["type"] for column in inspector.get_columns("orders")}
    problems = [
        problem
        for name, requirement in _REQUIRED.items()
        if (problem := _check_column(name, types.get(name), requirement))
    ]
    problems += [
        problem
        for name in ("created_at", "updated_at")
        if name in types and (problem := _check_column(name, types[name], _MOMENT))
    ]
    if problems:
        raise SchemaMismatch(problems)
    optional = frozenset(types) & {"qty", "client_order_id", "created_at", "updated_at"}
    return OrdersTable(
        table=Table(
            "orders",
            MetaData(),
            *(Column(name, types[name]) for name in (*_REQUIRED, *sorted(optional))),
        ),
        optional=optional,
        quantity_scale=_scale(types["executed_qty"]),
        price_scale=_scale(types["avg_price"]),
    )


def missing_parts(connection: Connection) -> list[Problem]:
    """Name what `db upgrade` has yet to make, or made only in part."""
    inspector = inspect(connection)
    problems = [
        Problem(what=f"table {table.name} is missing", mend="run: reconciler db upgrade")
        for table in metadata.sorted_tables
        if not inspector.has_table(table.name)
    ]
    index = connection.exec_driver_sql(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", (STALE_INDEX,)
    ).scalar()
    if index is None:
        problems.append(
            Problem(
                what=f"index {STALE_INDEX} on orders is missing: every cycle would read all orders",
                mend="run: reconciler db upgrade",
            )
        )
    elif index is False:
        problems.append(
            Problem(
                what=f"index {STALE_INDEX} is invalid: its concurrent build was interrupted",
                mend=f"run: DROP INDEX CONCURRENTLY {STALE_INDEX}; then: reconciler db upgrade",
            )
        )
    return problems


def require_ours(connection: Connection) -> None:
    """Make sure that our tables and index are there.

    Raises:
        SchemaMismatch: carries what is missing.
    """
    if problems := missing_parts(connection):
        raise SchemaMismatch(problems)


@dataclass(frozen=True, kw_only=True)
class _Requirement:
    """What a column may be, in SQLAlchemy's types and in a person's words."""

    types: tuple[type[TypeEngine[Any]], ...]
    words: str
    ddl: str


_TEXT = _Requirement(types=(String, Text), words="text or varchar", ddl="text")
_MONEY = _Requirement(types=(Numeric,), words="numeric, so that no digit is lost", ddl="numeric")
_MOMENT = _Requirement(types=(DateTime,), words="timestamptz", ddl="timestamptz")

_REQUIRED = {
    "id": _Requirement(types=(Integer, Uuid), words="integer, bigint or uuid", ddl="bigint"),
    "symbol": _TEXT,
    "external_order_id": _TEXT,
    "status": _Requirement(types=(String, Text, ENUM), words="text or an enum", ddl="text"),
    "executed_qty": _MONEY,
    "avg_price": _MONEY,
    "last_synced_at": _MOMENT,
}

_MISSING_TABLE = Problem(
    what="table orders is missing (looked for on the search_path)",
    mend="name the application's database in DATABASE_URL, or on an empty one run:"
    " reconciler db upgrade --with-orders",
)


def _check_column(
    name: str, found: TypeEngine[Any] | None, requirement: _Requirement
) -> Problem | None:
    if found is None:
        return Problem(
            what=f"column orders.{name} is missing",
            mend=f"run: ALTER TABLE orders ADD COLUMN {name} {requirement.ddl}",
        )
    if isinstance(found, ENUM):
        return (
            _check_labels(name, found)
            if ENUM in requirement.types
            else _misfit(name, found, requirement)
        )
    fits = isinstance(found, requirement.types) and not isinstance(found, Float)
    if fits and isinstance(found, DateTime):
        fits = bool(found.timezone)
    return None if fits else _misfit(name, found, requirement)


def _check_labels(name: str, found: ENUM) -> Problem | None:
    missing = [status.value for status in Status if status.value not in found.enums]
    if not missing:
        return None
    add = "; ".join(f"ALTER TYPE {found.name} ADD VALUE '{label}'" for label in missing)
    return Problem(
        what=f"orders.{name} is the enum {found.name}, which lacks {', '.join(missing)}",
        mend=f"run: {add}",
    )


def _misfit(name: str, found: TypeEngine[Any], requirement: _Requirement) -> Problem:
    using = f" USING {name} AT TIME ZONE 'UTC'" if requirement is _MOMENT else ""
    return Problem(
        what=f"orders.{name} is {found}, it must be {requirement.words}",
        mend=f"run: ALTER TABLE orders ALTER COLUMN {name} TYPE {requirement.ddl}{using}",
    )


def _scale(found: Any) -> int | None:
    scale: int | None = found.scale
    return scale
