"""How the user's table stores a value of ours, as SQL both ways: pure.

What is read is a text of SQL over `orders`: it stands in a SELECT, and in an UPDATE of the table as
well. What is written is an expression of ours turned into one of the column's own type.

Nothing that a column may hold makes a statement fail: a text that is no number is read as NaN,
which no decision writes over; a time that no timestamp can be is read as none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Text, cast, func, literal_column

from reconciler.config_file.orders import (
    EPOCH_PLACES,
    QuantityColumn,
    RemainingColumn,
    TimeColumn,
    TimeUnit,
)
from reconciler.store.column_types import FLOATS, INTEGERS, TEXTS
from reconciler.store.columns import ColumnInfo
from reconciler.store.named_type import NamedType
from reconciler.store.status_sql import status_as_text
from reconciler.store.user_table import literal, quoted

# No backslash and no percent sign: they mean something else on the way to the database.
_IS_NUMBER = "'^ *[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,3})? *$'"

# The last second that a datetime can hold, in every zone: the year 9999, without two days.
_LAST_SECOND = 253_402_128_000


@dataclass(frozen=True, kw_only=True)
class StoredValue:
    """One of our values in the user's table.

    Attributes:
        read: SQL of our value.
        column: The column of theirs that is written; None for what we only read.
        type: The type in which it is written and compared.
        write: Turns our value into the column's own.
    """

    read: str
    column: str | None = None
    type: str = ""
    write: Callable[[Any], Any] = lambda value: value

    def written(self, value: Any) -> Any:
        """Return our value as the column stores it, for an UPDATE."""
        return cast(self.write(value), NamedType(self.type))

    def has_kept(self, value: Any) -> Any:
        """Return the condition that the column of a row has our value."""
        assert self.column is not None  # noqa: S101 - only what was written is asked for
        stored = cast(literal_column(of_orders(self.column)), NamedType(self.type))
        return stored.is_not_distinct_from(self.written(value))


def written_type(found: ColumnInfo) -> str:
    """Return the column's type with its scale, but a text without its length.

    A cast to a text with a length cuts what is too long. An assignment refuses it.
    """
    return "text" if found.type in TEXTS else found.full_type


def of_orders(column: str) -> str:
    """Return a column of the user's table, by its name in the database, within our statements."""
    return f"orders.{quoted(column)}"


def stored_as_it_is(column: str, found: ColumnInfo) -> StoredValue:
    """Return a value that is taken as it is."""
    return StoredValue(read=of_orders(column), column=column, type=written_type(found))


def stored_number(
    column: QuantityColumn | RemainingColumn, found: ColumnInfo, of: ColumnInfo | None = None
) -> StoredValue:
    """Return a quantity or a price; `of` is the column of the whole, for what remains of it.

    As long as nothing is executed, the column of the rest may be null.
    """
    read, write = _read_number(of_orders(column.name), found.type), _unscaled(column.scale)
    if isinstance(column, RemainingColumn):
        assert of is not None  # noqa: S101 - the caller has checked the columns
        whole = _read_number(of_orders(column.of), of.type)
        read = f"({whole} - coalesce({read}, {whole}))"
        whole_amount: Any = literal_column(whole)
        executed = write

        def write(value: Any) -> Any:
            return whole_amount - executed(value)

    if column.scale != 1:
        read = f"({read} * {column.scale:f})"
    return StoredValue(read=read, column=column.name, type=written_type(found), write=write)


def _read_number(column: str, kind: str) -> str:
    """Return SQL of a number as a numeric, with every digit that the column keeps."""
    if kind == "numeric":
        return column
    if kind in TEXTS:
        text = f"CAST({column} AS text)"
        return (
            f"CASE WHEN {text} ~ {_IS_NUMBER} THEN CAST({text} AS numeric)"
            f" WHEN btrim({text}) <> '' THEN CAST('NaN' AS numeric) END"
        )
    # By way of its text, a float has the shortest digits that stand for it.
    exact = f"CAST({column} AS text)" if kind in FLOATS else column
    return f"CAST({exact} AS numeric)"


def _unscaled(scale: Decimal) -> Callable[[Any], Any]:
    """Return what turns a value of ours into the column's number."""
    if scale == 1:
        return lambda value: value
    factor: Any = literal_column(f"{1 / scale:f}")
    return lambda value: value * factor


def stored_time(column: TimeColumn, found: ColumnInfo) -> StoredValue:
    """Return a time, which we have as a timestamptz."""
    name = of_orders(column.name)
    match column.unit:
        case TimeUnit.TIMESTAMPTZ:
            return stored_as_it_is(column.name, found)
        case TimeUnit.NAIVE:
            zone = literal(column.zone or "UTC")
            return StoredValue(
                read=_read_naive(name, zone),
                column=column.name,
                type=written_type(found),
                write=lambda time: func.timezone(literal_column(zone), time),
            )
        case unit:
            places = EPOCH_PLACES[unit]
            return StoredValue(
                read=_read_epoch(_read_number(name, found.type), places),
                column=column.name,
                type=written_type(found),
                write=lambda time: _epoch(time, places, is_whole=found.type in INTEGERS | TEXTS),
            )


def _read_naive(name: str, zone: str) -> str:
    """Return SQL of a time without a zone.

    In autumn an hour comes twice, and PostgreSQL takes the second. During the first, what has just
    been written would be an hour ahead: a time that is to come is then taken for the first.
    """
    time = f"({name} AT TIME ZONE {zone})"
    if zone == literal("UTC"):
        return time
    before = f"({time} - CAST('3 hours' AS interval))"
    offset = f"({before} AT TIME ZONE {zone} - {before} AT TIME ZONE 'UTC')"
    first = f"(({name} - {offset}) AT TIME ZONE 'UTC')"
    # A clock may be a little wrong, and a column may round: see `open_index.CLOCK_TOLERANCE`.
    soon, later = (f"now() + CAST('{ahead}' AS interval)" for ahead in ("1 minute", "3 hours"))
    return (
        f"CASE WHEN {time} BETWEEN {soon} AND {later}"
        f" AND {first} AT TIME ZONE {zone} = {name} THEN {first} ELSE {time} END"
    )


def _read_epoch(number: str, places: int) -> str:
    # Applications have 0 where they know no time.
    seconds = f"({number} * {Decimal(1).scaleb(-places):f})"
    microseconds = f"trunc({seconds} * 1000000)"
    return (
        f"CASE WHEN {seconds} > 0 AND {seconds} <= {_LAST_SECOND}"
        f" THEN CAST('epoch' AS timestamptz) + {microseconds} * CAST('1 microsecond' AS interval)"
        " END"
    )


def _epoch(time: Any, places: int, *, is_whole: bool) -> Any:
    seconds: Any = func.extract("epoch", time)
    units = seconds if not places else seconds * literal_column(f"{Decimal(10) ** places:f}")
    return func.trunc(units) if is_whole else units


def stored_text(column: str, found: ColumnInfo) -> StoredValue:
    """Return a value that we have as text."""
    return StoredValue(
        read=f"CAST({of_orders(column)} AS text)", column=column, type=written_type(found)
    )


def stored_word(column: str, found: ColumnInfo, words: tuple[str, ...]) -> StoredValue:
    """Return a status as the user's word, in the file's spelling if the column ignores case."""
    return StoredValue(
        read=status_as_text(of_orders(column), is_exact=found.is_exact, words=words),
        column=column,
        type=written_type(found),
        write=lambda word: cast(word, Text),
    )
