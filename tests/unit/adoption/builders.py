"""Tables and samples of their rows, with defaults."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.adoption.draft import Place, Proposal
from reconciler.adoption.proposal import plan_sample, propose
from reconciler.config_file.sql_text import TableName
from reconciler.store.columns import ColumnInfo, EnumType
from reconciler.store.discovery import Description, Relation
from reconciler.store.sampling import Sample, Values

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)

NAIVE = "timestamp without time zone"
AWARE = "timestamp with time zone"

COLUMNS = {
    "id": "bigint",
    "symbol": "text",
    "exchange_order_id": "text",
    "status": "text",
    "filled": "numeric",
    "quantity": "numeric",
}
"""The columns of a table that can be followed; each test adds what it is about."""

ROWS = (
    {"id": "1", "symbol": "BTCUSDT", "status": "OPEN", "filled": "0", "quantity": "2"},
    {"id": "2", "symbol": "BTCUSDT", "status": "FILLED", "filled": "2", "quantity": "2"},
    {"id": "3", "symbol": "BTCUSDT", "status": "CANCELED", "filled": "0", "quantity": "2"},
)


def a_column(name: str, type_: str, *, labels: Sequence[str] = ()) -> ColumnInfo:
    return ColumnInfo(
        name=name,
        type=type_,
        full_type=type_,
        length=None,
        scale=None,
        enum=EnumType(name=type_, schema=None, labels=tuple(labels)) if labels else None,
        is_mandatory=False,
    )


def a_relation(name: str = "orders", *, kind: str = "r", columns: Sequence[str] = ()) -> Relation:
    return Relation(table=TableName(name=name), kind=kind, rows=3, columns=tuple(columns))


def a_table(
    columns: Mapping[str, str] = COLUMNS,
    *,
    name: str = "orders",
    labels: Mapping[str, Sequence[str]] | None = None,
    **facts: Any,
) -> Description:
    """Describe a table whose primary key is its first column."""
    facts.setdefault("primary_key", (next(iter(columns)),))
    return Description(
        relation=a_relation(name, columns=list(columns)),
        columns={
            name: a_column(name, type_, labels=(labels or {}).get(name, ()))
            for name, type_ in columns.items()
        },
        **facts,
    )


def a_sample(
    table: Description,
    rows: Sequence[Mapping[str, str | None]] = ROWS,
    *,
    answers: Mapping[Place, str] | None = None,
    **facts: Any,
) -> Sample:
    """Take the sample of these rows that the plan for the table asks for."""
    plan = plan_sample(table, answers)
    counts = {
        together: Counter(tuple(row.get(name) for name in together) for row in rows)
        for together in plan.counted
    }
    facts.setdefault("values", {columns: Values(counts=one) for columns, one in counts.items()})
    facts.setdefault(
        "newest",
        {
            name: max(known)
            for name in plan.times
            if (known := [value for row in rows if (value := row.get(name)) is not None])
        },
    )
    return Sample(rows=rows, now=NOW, **facts)


def proposal_for(
    columns: Mapping[str, str] | None = None,
    *rows: Mapping[str, str | None],
    exchange: str = "binance",
    answers: Mapping[Place, str] | None = None,
    **facts: Any,
) -> Proposal:
    """Propose for a table that has these columns besides the usual ones, and these rows."""
    table = a_table({**COLUMNS, **(columns or {})}, **facts)
    return propose(table, a_sample(table, rows or ROWS), exchange=exchange, answers=answers)


def words_of(*words: str, answers: Mapping[Place, str] | None = None, **facts: Any) -> Proposal:
    """Propose for a table whose rows have these statuses, one each."""
    rows = [{**ROWS[0], "status": word} for word in words]
    return proposal_for(None, *rows, answers=answers, **facts)
