"""Our own tables, and what is wrong with them in this database.

The migrations create them. Their definitions here are for building statements.
"""

from collections.abc import Iterator

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
)
from sqlalchemy.dialects.postgresql import JSONB

from reconciler.errors import Problem
from reconciler.store.column_requirements import (
    DETAILS,
    ID,
    MOMENT,
    TEXT,
    column_problems,
)
from reconciler.store.columns import read_columns
from reconciler.store.open_index import index_problems
from reconciler.store.rules import rule_problems
from reconciler.store.side_table import place_problems
from reconciler.store.user_table import UserTable

VERSION_TABLE = "reconciler_alembic_version"
"""Where the migrations keep their revision."""

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
    # Named differently in the database, so that a join with `orders` needs no prefix.
    Column("held_symbol", Text, key="symbol"),
    Column("held_external_order_id", Text, key="external_order_id"),
    Column("scope", Text, nullable=False),
)

state = Table(
    "reconciliation_state",
    metadata,
    Column("scope", Text, primary_key=True),
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
    Column("scope", Text, nullable=False),
)


def schema_problems(connection: Connection, table: UserTable) -> list[Problem]:
    """Name each problem of our tables, the activity log and the index of the user's table."""
    inspector = inspect(connection)
    return [
        *(
            Problem(what=f"table {own.name} is missing", hint="run: reconciler db upgrade")
            for own in metadata.sorted_tables
            if not inspector.has_table(own.name)
        ),
        *_missing_columns(connection),
        *activity_log_problems(connection),
        *place_problems(connection, table),
        *index_problems(connection, table),
    ]


def _missing_columns(connection: Connection) -> Iterator[Problem]:
    """Name the columns that a table of an earlier version lacks."""
    for table in (holds, state, cycles):
        found = read_columns(connection, table.name)
        missing = [column.name for column in table.columns if found and column.name not in found]
        if missing:
            yield Problem(
                what=f"table {table.name} lacks {', '.join(missing)}: an earlier version made it",
                hint="run: reconciler db upgrade",
            )


def activity_log_problems(connection: Connection) -> list[Problem]:
    """Name why the application's own `activity_log` cannot take our entries."""
    found = read_columns(connection, "activity_log")
    if not found:
        return []
    unfilled = [
        Problem(
            what=f"activity_log.{name} is NOT NULL without a default, and not ours to fill",
            hint=f"run: ALTER TABLE activity_log ALTER COLUMN {name} DROP NOT NULL",
        )
        for name, column in found.items()
        if column.is_mandatory and name not in _LOG
    ]
    return [
        *column_problems("activity_log", _LOG, found),
        *unfilled,
        *rule_problems(connection, "activity_log", "INSERT"),
    ]


_LOG = {
    "id": ID,
    "order_id": TEXT,
    "action": TEXT,
    "details": DETAILS,
    "created_at": MOMENT,
}
