"""The requirements on columns that are not ours, and a hint for each that does not meet them: pure.

A hint is SQL that can be run as it is printed, if that SQL is right for any rows. It rewrites a
column only if we would otherwise lose digits or times. It says what is wrong, and proposes no SQL,
if a column only has another name, if a value may not fit the new type, or if the application itself
must know of the change, such as a new label of its enum.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.domain.status import Status
from reconciler.errors import Problem
from reconciler.store.column_types import (
    INTEGERS,
    NAIVE_TIMESTAMP,
    NUMBERS,
    TEXTS,
    TIMESTAMPTZ,
    UUID,
)
from reconciler.store.columns import ColumnInfo, EnumType
from reconciler.store.file_hints import (
    columns_like,
    hint_for_missing,
    hint_for_type,
    hint_for_words,
)
from reconciler.store.user_table import quoted

FoundColumns = Mapping[str, ColumnInfo]
"""The columns of a table as the catalog has them, by name."""

_LONGEST_STATUS = max(len(status) for status in Status)
_REWRITES = "  -- rewrites the table and locks it while it does: choose a quiet hour"


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """The types that a column may have.

    Attributes:
        types: In PostgreSQL's words.
        words: The same for a person.
        ddl: The type to which a hint converts the column.
        converts: The types whose every value the hint converts; None if it converts any type.
        otherwise: The hint if it has another type.
        may_be_enum: An enum is allowed, too.
    """

    types: frozenset[str]
    words: str
    ddl: str
    converts: frozenset[str] | None = frozenset()
    otherwise: str = ""
    may_be_enum: bool = False


_TEXTS = TEXTS | {'"char"', "name"}

TEXT = Requirement(types=_TEXTS, words="text or varchar", ddl="text", converts=None)
QUANTITY = Requirement(
    types=NUMBERS,
    words="a number",
    ddl="numeric",
)
SIDE = Requirement(types=_TEXTS, words="text or an enum", ddl="text", may_be_enum=True)
MOMENT = Requirement(
    types=frozenset({TIMESTAMPTZ}),
    words="timestamptz",
    ddl="timestamptz",
    converts=frozenset({NAIVE_TIMESTAMP, "date"}),
    otherwise="only its owner knows which time a value stands for, so no statement is proposed:"
    " have its owner make it timestamptz",
)
ID = Requirement(
    types=INTEGERS | {UUID},
    words="integer, bigint or uuid",
    ddl="bigint",
    otherwise="this version follows only a table with such ids; name the database of one in"
    " DATABASE_URL",
)
ORDER_ID = replace(ID, types=ID.types | TEXTS, words="integer, bigint, uuid or text")
STATUS = Requirement(
    types=_TEXTS - {'"char"'},
    words="text or an enum",
    ddl="text",
    otherwise="say in [orders.statuses] of reconciler.toml what each value means",
    may_be_enum=True,
)
DETAILS = Requirement(
    types=frozenset({"json", "jsonb"}),
    words="jsonb",
    ddl="jsonb",
    otherwise="not every value need be JSON, so no statement is proposed: have its owner make it"
    " jsonb",
)


def column_problems(
    table: str,
    required: Mapping[str, Requirement],
    columns: FoundColumns,
    *,
    key: str | None = None,
) -> list[Problem]:
    """Name each required column that is missing or has the wrong type.

    `key` is our name for the columns, by which the configuration file knows them; None for those of
    our own tables and of `activity_log`, of which the file says nothing.
    """
    return [
        problem
        for name, requirement in required.items()
        if (problem := _check(table, name, columns, requirement, key))
    ]


def fits(found: ColumnInfo, requirement: Requirement) -> bool:
    """Return True if an optional column can be used."""
    return found.is_readable and _is_of_type(found, requirement)


def _is_of_type(found: ColumnInfo, requirement: Requirement) -> bool:
    return (found.enum is not None and requirement.may_be_enum) or found.type in requirement.types


def _check(
    table: str, name: str, columns: FoundColumns, requirement: Requirement, key: str | None
) -> Problem | None:
    found = columns.get(name)
    if found is None:
        return _missing(table, name, columns, requirement, key)
    if found.enum is not None and requirement.may_be_enum:
        return _check_labels(table, name, found.enum) if requirement is STATUS else None
    if found.type not in requirement.types:
        return _wrong_type(table, found, requirement, key)
    if requirement is STATUS:
        return _check_length(table, found)
    if requirement is ORDER_ID:
        return _check_collation(table, found)
    return None


def _missing(
    table: str, name: str, columns: FoundColumns, requirement: Requirement, key: str | None
) -> Problem:
    what = f"column {table}.{quoted(name)} is missing"
    add = f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {requirement.ddl}"
    if key is None:
        return Problem(what=what, hint=f"run: {add}")
    similar = columns_like(key, name, columns)
    has = f"; {table} has {' and '.join(similar)}" if similar else ""
    hint = hint_for_missing(key, similar)
    # Without this one nobody knows which order of the exchange a row is.
    if key == "external_order_id" and not similar:
        hint = f"{hint}; or, if the table has none, run: {add}"
    return Problem(what=f"{what}{has}", hint=hint)


def _wrong_type(
    table: str, found: ColumnInfo, requirement: Requirement, key: str | None
) -> Problem:
    name = quoted(found.name)
    what = f"{table}.{name} is {found.full_type}, it must be {requirement.words}"
    if key is not None and (hint := hint_for_type(key, found)):
        return Problem(what=what, hint=hint)
    if requirement.converts is not None and found.type not in requirement.converts:
        return Problem(what=what, hint=requirement.otherwise)
    is_naive = requirement.ddl == MOMENT.ddl and found.type == NAIVE_TIMESTAMP
    using = f"{name} AT TIME ZONE 'UTC'" if is_naive else f"{name}::{requirement.ddl}"
    return Problem(
        what=what,
        hint=_alter(table, found, f"{requirement.ddl} USING {using}{_REWRITES}"),
    )


def _alter(table: str, found: ColumnInfo, to: str) -> str:
    """Return the hint that changes a column's type, and says if something must be dropped first."""
    statement = f"ALTER TABLE {table} ALTER COLUMN {quoted(found.name)} TYPE {to}"
    if not found.is_bound:
        return f"run: {statement}"
    return (
        "a view, a policy, a trigger or a generated column needs this column as it is, so"
        f" PostgreSQL refuses to change it: have its owner drop that, run {statement}, and make it"
        " again"
    )


def _check_labels(table: str, name: str, found: EnumType) -> Problem | None:
    missing = [status.value for status in Status if status.value not in found.labels]
    if not missing:
        return None
    return Problem(
        what=f"{table}.{name} is the enum {found.name}, which lacks {', '.join(missing)}",
        hint=f"it has {', '.join(found.labels)}; {hint_for_words(found.labels)}",
    )


def _check_length(table: str, found: ColumnInfo) -> Problem | None:
    if found.length is None or found.length >= _LONGEST_STATUS:
        return None
    too_long = [status.value for status in Status if len(status) > found.length]
    return Problem(
        what=f"{table}.{found.name} is {found.full_type}, too short for {', '.join(too_long)}",
        hint=f"{hint_for_words([])}; or, if it has our words, {_alter(table, found, 'text')}",
    )


def _check_collation(table: str, found: ColumnInfo) -> Problem | None:
    if found.is_exact or found.type == "citext":
        return None
    return Problem(
        what=f"{table}.{found.name} has a collation that takes different texts for equal, so an id"
        " is not always the text that names its order in our tables",
        hint=_alter(table, found, f'{found.full_type} COLLATE "C"'),
    )
