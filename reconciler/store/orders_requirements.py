"""What the user's table must have, by the configuration file: each problem with its hint."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import Connection

from reconciler.config_file.document import nearest_name
from reconciler.config_file.orders import (
    OPTIONAL,
    JoinedColumns,
    NamedColumn,
    QuantityColumn,
    QueriedColumn,
    RemainingColumn,
    TimeColumn,
    TimeUnit,
)
from reconciler.domain.column_scale import DecimalPlaces
from reconciler.errors import Problem
from reconciler.store.column_requirements import (
    MOMENT,
    ORDER_ID,
    QUANTITY,
    SIDE,
    STATUS,
    TEXT,
    FoundColumns,
    Requirement,
    column_problems,
    fits,
)
from reconciler.store.column_scales import scale_of
from reconciler.store.column_types import INTEGERS, NAIVE_TIMESTAMP, NUMBERS, TEXTS, UUID
from reconciler.store.columns import ColumnInfo, read_columns
from reconciler.store.id_uniqueness import id_problems
from reconciler.store.rules import rule_problems
from reconciler.store.side_table import read_side_table, side_table_problems
from reconciler.store.time_capacity import time_problems
from reconciler.store.trial_read import sql_problems
from reconciler.store.user_table import UserTable, quoted
from reconciler.store.value_requirements import value_problems
from reconciler.store.writable_columns import is_usable, writing_problems

_SYNC = "last_synced_at"
_REQUIRED = ("id", "symbol", "external_order_id", "status", "executed_qty", _SYNC)
_COMPARED = frozenset({"qty", "side", "client_order_id"})
"""They tell an order from another. Where such a column has another type, it is not used."""

_UNIT_HINT = (
    "give the unit that the column has: timestamptz, naive-utc, naive:Europe/Berlin, epoch-s,"
    " epoch-ms, epoch-us or epoch-ns"
)
_NUMBER = Requirement(
    types=NUMBERS | TEXTS,
    words="a number, or text with numbers",
    ddl="numeric",
    converts=frozenset({"money"}),
    otherwise="not every value need be a number, so no statement is proposed: have its owner make"
    " it numeric",
)
_NAIVE = Requirement(
    types=frozenset({NAIVE_TIMESTAMP}),
    words="timestamp without a zone",
    ddl="",
    otherwise=_UNIT_HINT,
)
_EPOCH = Requirement(
    types=NUMBERS | TEXTS,
    words="a number, or text with numbers",
    ddl="",
    otherwise=_UNIT_HINT,
)
_KEY = Requirement(
    types=TEXT.types | INTEGERS | {UUID},
    words="text, an integer or a uuid",
    ddl="text",
    otherwise="name in reconciler.toml the column with the key that the query looks up",
)


def orders_problems(
    connection: Connection, table: UserTable, *, with_side_table: bool
) -> list[Problem]:
    """Name each reason why the table, or the side table if there is one, is not suitable."""
    found = read_columns(connection, table.name)
    if not found:
        return [_missing_table(table)]
    required = _requirements(table, found, with_side_table=with_side_table)
    columns = [
        problem
        for name, requirement in required.items()
        for problem in _problems_of(table, name, requirement, found)
    ]
    return [
        *columns,
        *_missing_columns(table, found),
        *value_problems(table, found),
        *time_problems(table, found),
        *(unwritable := writing_problems(table, found, with_side_table=with_side_table)),
        *side_table_problems(read_side_table(connection), found, table),
        *(id_problems(connection, table) if table.config.columns.id.name in found else ()),
        *rule_problems(connection, table.name, "UPDATE"),
        *(() if columns or unwritable else sql_problems(connection, table, found)),
    ]


def usable_columns(
    table: UserTable, found: FoundColumns, *, with_side_table: bool
) -> frozenset[str]:
    """Return our names of the columns that exist and can be used, except id and symbol."""
    names = (*_REQUIRED[2:], *OPTIONAL)
    return frozenset(
        name
        for name in names
        if not (name == _SYNC and with_side_table)
        and (used := table.columns_of(name))
        and all(one in found for one in used)
        and all(fits(found[one], _requirement_of(table, name)) for one in used)
        and is_usable(table, name, found[used[0]])
    )


def _requirements(
    table: UserTable, found: FoundColumns, *, with_side_table: bool
) -> Mapping[str, Requirement]:
    """Return what each of our names needs. An optional one that the file does not name may lack."""
    columns = table.config.columns
    needed = dict.fromkeys(_REQUIRED)
    for name in OPTIONAL:
        used = table.columns_of(name)
        if name in columns.named or (name not in _COMPARED and used and used[0] in found):
            needed[name] = None
    if with_side_table:
        del needed[_SYNC]
    return {name: _requirement_of(table, name) for name in needed}


def _requirement_of(table: UserTable, name: str) -> Requirement:
    match getattr(table.config.columns, name):
        case TimeColumn(unit=TimeUnit.TIMESTAMPTZ):
            requirement = MOMENT
        case TimeColumn(unit=TimeUnit.NAIVE):
            requirement = _NAIVE
        case TimeColumn():
            requirement = _EPOCH
        case QuantityColumn() if name == "qty" and not _is_named(table, name):
            requirement = QUANTITY
        case QuantityColumn() | RemainingColumn():
            requirement = _NUMBER
        case QueriedColumn():
            requirement = _KEY
        case _ if name == "status" and not table.config.statuses.are_ours:
            requirement = _ANY_STATUS
        case _ if name == "client_order_id" and name not in table.config.columns.named:
            requirement = TEXT
        case _:
            requirement = _BY_NAME[name]
    return requirement


def _is_named(table: UserTable, name: str) -> bool:
    """Return True if the file says where a column is: of `qty`, also by what remains of it."""
    columns = table.config.columns
    remains = name == "qty" and isinstance(columns.executed_qty, RemainingColumn)
    return remains or name in columns.named


_ANY_STATUS = replace(
    STATUS,
    types=STATUS.types | INTEGERS,
    words="text, an enum or an integer",
    otherwise="name the column that has each order's status in a word or a number; a flag that"
    " follows it belongs into [orders.also_write]",
)
_BY_NAME = {
    "id": ORDER_ID,
    "symbol": replace(TEXT, may_be_enum=True),
    "external_order_id": replace(TEXT, types=TEXT.types | INTEGERS, words="text or an integer"),
    "status": STATUS,
    "side": SIDE,
    "client_order_id": replace(TEXT, types=TEXT.types | INTEGERS | {UUID}),
}


def _problems_of(
    table: UserTable, name: str, requirement: Requirement, found: FoundColumns
) -> Iterator[Problem]:
    column = getattr(table.config.columns, name)
    used = table.columns_of(name)
    yield from column_problems(table.name, dict.fromkeys(used, requirement), found, key=name)
    if isinstance(column, JoinedColumns):
        yield from (_not_joinable(table, one) for one in used if one in found and found[one].enum)
    if isinstance(column, QuantityColumn | RemainingColumn) and all(one in found for one in used):
        yield from _lossy(table, name, column, found)


def _lossy(
    table: UserTable, name: str, column: QuantityColumn | RemainingColumn, found: FoundColumns
) -> Iterator[Problem]:
    """Name why the column cannot keep what is written into it.

    A numeric without decimal places is the owner's decision: an exchange may count in units.
    """
    places = _decimal_places(found[column.name], column.scale)
    stands = f"{table.name}.{column.name} is {found[column.name].full_type}"
    is_declared = found[column.name].type not in INTEGERS and column.scale == 1
    if places is not None and places <= 0 and not is_declared and name != "qty":
        times = "" if column.scale == 1 else f" times {column.scale:f}"
        yield Problem(
            what=f"{stands}{times}: {name} would lose every fraction",
            hint="say in reconciler.toml what it counts: "
            f'{name} = {{ column = "{column.name}", scale = "1e-6" }} for millionths',
        )
    if isinstance(column, RemainingColumn):
        whole = _decimal_places(found[column.of], column.scale)
        if places is not None and (whole is None or whole > places):
            yield Problem(
                what=f"{stands}, with fewer decimal places than {column.of},"
                f" {found[column.of].full_type}: what remains would be rounded",
                hint=f"have its owner give {column.name} at least the type of {column.of}",
            )


def _decimal_places(found: ColumnInfo, unit: Decimal) -> int | None:
    """Return how many places a column keeps of what we write; None if it keeps every digit."""
    scale = scale_of(found, unit)
    return scale.places if isinstance(scale, DecimalPlaces) else None


def _not_joinable(table: UserTable, column: str) -> Problem:
    return Problem(
        what=f"{table.name}.{column} is an enum, which no index can join with another column",
        hint="name columns of text, or one column with a query:"
        ' symbol = { query = "...", column = "..." }',
    )


def _missing_columns(table: UserTable, found: FoundColumns) -> Iterator[Problem]:
    """Name the columns for exchange, account and what follows the status that are missing."""
    columns = table.config.columns
    owners = {"exchange": columns.exchange, "account": columns.account}
    named = {
        column.name: f"orders.columns.{key}"
        for key, column in owners.items()
        if isinstance(column, NamedColumn)
    }
    named |= {one.name: "orders.also_write" for one in table.config.also_write}
    for name, place in named.items():
        if name not in found:
            nearest = nearest_name(name, found)
            yield Problem(
                what=f"column {table.name}.{quoted(name)} is missing",
                hint=f"write {nearest} in {place}" if nearest else f"remove it from {place}",
            )


def _missing_table(table: UserTable) -> Problem:
    schema = "" if table.config.table.schema else " (looked for on the search_path)"
    hint = "name the application's database in DATABASE_URL"
    if table.name == "orders":
        return Problem(
            what=f"table orders is missing{schema}",
            hint=f"{hint}, or the table in reconciler.toml; or on an"
            " empty database run: reconciler db upgrade --with-orders",
        )
    return Problem(
        what=f"table {table.name} is missing{schema}",
        hint=f"{hint}, or correct orders.table in reconciler.toml",
    )
