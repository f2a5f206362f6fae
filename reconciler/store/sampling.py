"""Read a bounded sample of a table of which only the catalog is known.

A small table is read as a whole, of a large one a sample of pages and the newest rows. Each
statement has a timeout. Nothing is written: the transaction is read-only.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconciler.store.bounded_source import NEWEST_ROWS, bounded_source
from reconciler.store.discovery import Description
from reconciler.store.user_table import quoted

SAMPLED_ROWS = 500
MAX_VALUES = 1_000


@dataclass(frozen=True, kw_only=True)
class Values:
    """How often each value of a column, or of several together, occurs. At most MAX_VALUES."""

    counts: Mapping[tuple[str | None, ...], int]
    is_estimate: bool = False
    is_complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What some of a table's rows say.

    Attributes:
        rows: Some of the newest, each column as text.
        values: How often values occur, by the columns that were counted together.
        newest: The latest value of each column of times, as text.
        symbols: Texts of the table that a key leads to, by the expression that gives them.
        now, zone: The database's clock, and the session's time zone.
    """

    rows: Sequence[Mapping[str, str | None]] = ()
    values: Mapping[tuple[str, ...], Values] = field(default_factory=dict)
    newest: Mapping[str, str] = field(default_factory=dict)
    symbols: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    now: datetime
    zone: str = "UTC"

    def column(self, name: str) -> list[str]:
        """Return the values of a column in the sampled rows that are not null."""
        return [value for row in self.rows if (value := row.get(name)) is not None]


def take_sample(
    connection: Connection,
    description: Description,
    *,
    columns: Collection[str],
    counted: Collection[tuple[str, ...]],
    times: Collection[str],
    lookups: Collection[str] = (),
) -> Sample:
    """Read a bounded sample of a table.

    Args:
        connection: In a transaction.
        description: Of the table.
        columns: Those of which rows are to be read.
        counted: Those whose values are to be counted, alone or together.
        times: Those of whose values the latest is to be read.
        lookups: Queries without parameters, each for texts.
    """
    now, zone = connection.exec_driver_sql("SELECT now(), current_setting('TimeZone')").one()
    source = _Source.of(connection, description)
    return Sample(
        rows=_rows(connection, source, tuple(columns)),
        values={
            together: found
            for together in counted
            if (found := _count(connection, source, together)) is not None
        },
        newest=_newest(connection, source, tuple(times)),
        symbols={
            query: tuple(text for (text,) in rows if text is not None)
            for query in lookups
            if (rows := _fetch(connection, query)) is not None
        },
        now=now,
        zone=zone,
    )


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What to read of a table: all of it, or a share of its pages and its newest rows."""

    all: str
    newest: str
    sample: str
    share: float

    @classmethod
    def of(cls, connection: Connection, description: Description) -> "_Source":
        name = description.relation.sql_name
        order = ", ".join(f"{quoted(column)} DESC" for column in description.primary_key)
        newest = f"{name} ORDER BY {order}" if order else name
        if description.relation.is_view:
            bounded = f"(SELECT * FROM {name} LIMIT {NEWEST_ROWS}) AS sampled"  # noqa: S608 - quoted
            return cls(all=bounded, newest=name, sample=bounded, share=1.0)
        sample = bounded_source(connection, name)
        if not sample.is_sample:
            return cls(all=name, newest=newest, sample=name, share=1.0)
        bounded = f"(SELECT * FROM {newest} LIMIT {NEWEST_ROWS}) AS newest"  # noqa: S608 - quoted
        return cls(all=bounded, newest=newest, sample=sample.sql, share=sample.share)


def _rows(
    connection: Connection, source: _Source, columns: tuple[str, ...]
) -> Sequence[Mapping[str, str | None]]:
    if not columns:
        return ()
    texts = ", ".join(f"CAST({quoted(name)} AS text)" for name in columns)
    found = _fetch(connection, f"SELECT {texts} FROM {source.newest} LIMIT {SAMPLED_ROWS}")  # noqa: S608 - quoted
    return [dict(zip(columns, row, strict=True)) for row in found or ()]


def _count(connection: Connection, source: _Source, columns: tuple[str, ...]) -> Values | None:
    counted = _counts(connection, source.sample, columns)
    if counted is None:
        return None
    if source.share < 1:
        newest = _counts(connection, source.all, columns) or Counter()
        counted = Counter({key: round(n / source.share) for key, n in counted.items()}) | newest
    return Values(
        counts=counted, is_estimate=source.share < 1, is_complete=len(counted) < MAX_VALUES
    )


def _counts(
    connection: Connection, source: str, columns: tuple[str, ...]
) -> Counter[tuple[str | None, ...]] | None:
    texts = ", ".join(f"CAST({quoted(name)} AS text)" for name in columns)
    places = ", ".join(str(place + 1) for place in range(len(columns)))
    found = _fetch(
        connection,
        f"SELECT {texts}, count(*) FROM {source} GROUP BY {places}"  # noqa: S608 - quoted
        f" ORDER BY count(*) DESC LIMIT {MAX_VALUES}",
    )
    return None if found is None else Counter({tuple(row[:-1]): row[-1] for row in found})


def _newest(connection: Connection, source: _Source, columns: tuple[str, ...]) -> Mapping[str, str]:
    if not columns:
        return {}
    latest = ", ".join(f"CAST(max({quoted(name)}) AS text)" for name in columns)
    found = _fetch(connection, f"SELECT {latest} FROM {source.all}")  # noqa: S608 - quoted
    if not found:
        return {}
    return {name: text for name, text in zip(columns, found[0], strict=True) if text is not None}


def _fetch(connection: Connection, statement: str) -> Sequence[Any] | None:
    """Return the rows; None if the database cannot, in time, or we may not read them."""
    try:
        with connection.begin_nested():
            return connection.exec_driver_sql(
                statement, execution_options={"no_parameters": True}
            ).all()
    except DBAPIError as error:
        if error.connection_invalidated or getattr(error.orig, "sqlstate", None) is None:
            raise
        return None
