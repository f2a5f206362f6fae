"""Find the columns of a table that may be one of ours, by their names and types: pure."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reconciler.store.column_types import (
    INTEGERS,
    NAIVE_TIMESTAMP,
    NUMBERS,
    TEXTS,
    TIMESTAMPTZ,
    UUID,
)
from reconciler.store.columns import ColumnInfo
from reconciler.store.similar_columns import rank_as, split_name

_OFTEN_BEFORE = frozenset({"order", "orders", "ord", "o", "f", "c", "col", "fld", "tbl", "ft"})
_TIME_ENDINGS = frozenset({"s", "ms", "us", "ns", "ts", "epoch", "utc", "millis", "micros"})
_QUANTITY_ENDINGS = frozenset({"e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "e10", "e12", "e18"})
_TIMES = frozenset({"created_at", "updated_at", "last_synced_at"})
_QUANTITIES = frozenset({"executed_qty", "avg_price", "qty"})


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of a table's columns, and what is before most of them."""

    columns: Collection[str]
    prefix: tuple[str, ...]

    @classmethod
    def of(cls, columns: Collection[str]) -> "Names":
        """Find the word that most names begin with, such as `ord` in `ord_id` and `ord_state`."""
        first = Counter(parts[0] for name in columns if len(parts := split_name(name)) > 1)
        most = first.most_common(1)
        is_common = bool(most) and len(columns) > 3 and most[0][1] * 2 > len(columns)  # noqa: PLR2004 - too few say nothing
        return cls(columns=columns, prefix=(most[0][0],) if is_common else ())

    def ranked(self, key: str) -> list[str]:
        """Return the columns that may be `key`, the best name first."""
        found = [
            (rank, place, name)
            for place, name in enumerate(self.columns)
            if (rank := self._rank(key, name)) is not None
        ]
        return [name for _, _, name in sorted(found)]

    def _rank(self, key: str, name: str) -> float | None:
        ranks = [
            rank + penalty
            for parts, penalty in self._spellings(key, name)
            if (rank := rank_as(key, name, parts=parts)) is not None
        ]
        return min(ranks, default=None)

    def _spellings(self, key: str, name: str) -> Iterator[tuple[list[str], float]]:
        parts = split_name(name)
        if not parts:
            return
        yield parts, 0
        endings = _TIME_ENDINGS if key in _TIMES else _QUANTITY_ENDINGS
        if key in _TIMES | _QUANTITIES and len(parts) > 1 and parts[-1] in endings:
            yield parts[:-1], 0.5
            yield [*parts[:-1], "at"], 0.5
        if len(parts) > 1 and (parts[0] in _OFTEN_BEFORE or tuple(parts[:1]) == self.prefix):
            yield parts[1:], 0.7


def is_text(column: ColumnInfo) -> bool:
    """Return True for a text, with or without a length."""
    return column.type in TEXTS | {"name"}


def is_id(column: ColumnInfo) -> bool:
    """Return True if a column can identify something."""
    return is_text(column) or column.type in INTEGERS | {UUID}


def is_quantity(column: ColumnInfo) -> bool:
    """Return True if a column can have an amount."""
    return column.type in NUMBERS or is_text(column)


def is_time(column: ColumnInfo) -> bool:
    """Return True if a column can have a time, as such or as a count of seconds or less."""
    return column.type in {TIMESTAMPTZ, NAIVE_TIMESTAMP, "bigint", "integer"} or is_text(column)


def is_status(column: ColumnInfo) -> bool:
    """Return True if a column can have a status."""
    return column.enum is not None or is_text(column) or column.type in INTEGERS
