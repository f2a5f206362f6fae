"""The words and values of the configuration file that its columns must be able to hold: pure."""

from collections.abc import Iterator

from reconciler.config_file.document import nearest_name
from reconciler.config_file.orders import ColumnValue, FollowingColumn
from reconciler.errors import Problem
from reconciler.store.column_requirements import FoundColumns
from reconciler.store.column_types import INTEGERS, TEXTS
from reconciler.store.columns import ColumnInfo
from reconciler.store.user_table import UserTable


def value_problems(table: UserTable, found: FoundColumns) -> Iterator[Problem]:
    """Name each status, and each value that follows one, that its column cannot hold."""
    yield from _status_problems(table, found)
    for following in table.config.also_write:
        if following.name in found:
            yield from _wrong_values(table, following, found[following.name])


def _status_problems(table: UserTable, found: FoundColumns) -> Iterator[Problem]:
    """Name the words of the configuration file that the column cannot hold."""
    statuses = table.config.statuses
    column = found.get(table.config.columns.status.name)
    if column is None or statuses.are_ours:
        return
    stands = f"{table.name}.{column.name} is {column.full_type}"
    for word in statuses.meanings:
        if column.enum is not None and word not in column.enum.labels:
            nearest = nearest_name(word, column.enum.labels)
            yield Problem(
                what=f"{stands}, which has no label {word!r}",
                hint=f"write {nearest!r} in [orders.statuses]"
                if nearest
                else f"it has: {', '.join(column.enum.labels)}",
            )
        elif column.type in INTEGERS and not _is_integer(word):
            yield Problem(
                what=f"{stands}, so no row has the status {word!r}",
                hint='write the number in quotes: "100" = "filled"',
            )
        elif column.length is not None and len(word) > column.length:
            yield Problem(
                what=f"{stands}, too short for the word {word!r}",
                hint="remove it from [orders.statuses]: no row can have it",
            )


def _is_integer(word: str) -> bool:
    return word.removeprefix("-").isascii() and word.removeprefix("-").isdecimal()


def _wrong_values(
    table: UserTable, following: FollowingColumn, column: ColumnInfo
) -> Iterator[Problem]:
    for key, value in (("open", following.open), ("ended", following.ended)):
        if value is not None and not _takes(column, value):
            yield Problem(
                what=f"{table.name}.{column.name} is {column.full_type}, and cannot be {value!r}",
                hint=f"write another value for {key} in [orders.also_write]",
            )


def _takes(column: ColumnInfo, value: ColumnValue) -> bool:
    match value:
        case bool():
            return column.type == "boolean"
        case int() if column.type in INTEGERS:
            return -_END[column.type] <= value < _END[column.type]
        case int():
            return column.type in TEXTS | {"numeric"}
        case str() if column.enum is not None:
            return value in column.enum.labels
        case str():
            fits_length = column.length is None or len(value) <= column.length
            return column.type in TEXTS and fits_length


_END = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
