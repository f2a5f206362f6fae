"""Tell if a column can keep the times that we write into it as an epoch: pure."""

import re
from collections.abc import Iterator

from reconciler.config_file.orders import EPOCH_PLACES, TimeColumn, TimeUnit
from reconciler.errors import Problem
from reconciler.store.column_requirements import FoundColumns
from reconciler.store.columns import ColumnInfo
from reconciler.store.user_table import UserTable, quoted

INTEGER_DIGITS = {"smallint": 4, "integer": 10, "bigint": 19}
"""The digits of a number of seconds, or parts of them, that the type holds until 2038."""

_DIGITS_OF_SECONDS = 10
_NUMERIC = re.compile(r"numeric\(([0-9]+),(-?[0-9]+)\)")


def time_problems(table: UserTable, found: FoundColumns) -> Iterator[Problem]:
    """Name each column that cannot keep the time now in the unit that the file gives."""
    for key in ("updated_at", "last_synced_at"):
        column = getattr(table.config.columns, key)
        if isinstance(column, TimeColumn) and column.unit in EPOCH_PLACES and column.name in found:
            yield from _of_column(table, key, column.unit, found[column.name])


def _of_column(table: UserTable, key: str, unit: TimeUnit, found: ColumnInfo) -> Iterator[Problem]:
    needed = _DIGITS_OF_SECONDS + EPOCH_PLACES[unit]
    kept = _digits_of(found)
    if kept is None or kept >= needed:
        return
    other = 'write last_synced_at = "side-table", or ' if key == "last_synced_at" else ""
    yield Problem(
        what=f"{table.name}.{quoted(found.name)} is {found.full_type}, which cannot keep a time as"
        f" {unit}: that has {needed} digits",
        hint=f"{other}give the unit that the column has",
    )


def _digits_of(found: ColumnInfo) -> int | None:
    """Return the number of digits that a column keeps before the point; None for enough."""
    if found.type == "real":
        return 7
    if found.type in INTEGER_DIGITS:
        return INTEGER_DIGITS[found.type]
    declared = _NUMERIC.fullmatch(found.full_type)
    return int(declared[1]) - int(declared[2]) if declared else found.length
