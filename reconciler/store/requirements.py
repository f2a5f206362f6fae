"""What columns that are not ours must be like, and the hint of each that is not: pure.

A hint is SQL that can be run as it is printed. It rewrites a column only where we would otherwise
lose digits or moments.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.domain.status import Status
from reconciler.errors import Problem
from reconciler.store.columns import EnumType, FoundColumn

Columns = Mapping[str, FoundColumn]

_LONGEST_STATUS = max(len(status) for status in Status)
_REWRITES = "  -- rewrites the table, which is locked meanwhile: in a quiet hour"


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What a column may be, in PostgreSQL's types and in a person's words.

    `ddl` is the type that a hint makes of it.
    """

    types: frozenset[str]
    words: str
    ddl: str
    may_be_enum: bool = False


_TEXTS = frozenset({"text", "character varying", "character", '"char"', "name", "citext"})

TEXT = Requirement(types=_TEXTS, words="text or varchar", ddl="text")
MONEY = Requirement(
    types=frozenset({"numeric"}), words="numeric, so that no digit is lost", ddl="numeric"
)
MOMENT = Requirement(
    types=frozenset({"timestamp with time zone"}), words="timestamptz", ddl="timestamptz"
)
KEY = Requirement(
    types=frozenset({"smallint", "integer", "bigint", "uuid"}),
    words="integer, bigint or uuid",
    ddl="bigint",
)
STATUS = Requirement(types=_TEXTS, words="text or an enum", ddl="text", may_be_enum=True)
DETAILS = Requirement(types=frozenset({"json", "jsonb"}), words="jsonb", ddl="jsonb")

_NAIVE_MOMENT = "timestamp without time zone"


def column_problems(
    table: str, required: Mapping[str, Requirement], columns: Columns
) -> list[Problem]:
    """Name each required column that is missing or does not fit."""
    return [
        problem
        for name, requirement in required.items()
        if (problem := _check(table, name, columns.get(name), requirement))
    ]


def _check(
    table: str, name: str, found: FoundColumn | None, requirement: Requirement
) -> Problem | None:
    if found is None:
        return Problem(
            what=f"column {table}.{name} is missing",
            hint=f"run: ALTER TABLE {table} ADD COLUMN {name} {requirement.ddl}",
        )
    if found.enum is not None and requirement.may_be_enum:
        return _check_labels(table, name, found.enum)
    if found.type not in requirement.types:
        return _misfit(table, found, requirement)
    if requirement is STATUS:
        return _check_length(table, found)
    return None


def _misfit(table: str, found: FoundColumn, requirement: Requirement) -> Problem:
    name = found.name
    is_naive = requirement is MOMENT and found.type == _NAIVE_MOMENT
    using = f"{name} AT TIME ZONE 'UTC'" if is_naive else f"{name}::{requirement.ddl}"
    return Problem(
        what=f"{table}.{name} is {found.words}, it must be {requirement.words}",
        hint=f"run: ALTER TABLE {table} ALTER COLUMN {name} TYPE {requirement.ddl}"
        f" USING {using}{_REWRITES}",
    )


def _check_labels(table: str, name: str, found: EnumType) -> Problem | None:
    missing = [status.value for status in Status if status.value not in found.labels]
    if not missing:
        return None
    enum = ".".join(f'"{part}"' for part in (found.schema, found.name) if part)
    add = "; ".join(f"ALTER TYPE {enum} ADD VALUE '{label}'" for label in missing)
    return Problem(
        what=f"{table}.{name} is the enum {found.name}, which lacks {', '.join(missing)}",
        hint=f"run: {add}",
    )


def _check_length(table: str, found: FoundColumn) -> Problem | None:
    if found.length is None or found.length >= _LONGEST_STATUS:
        return None
    too_long = [status.value for status in Status if len(status) > found.length]
    return Problem(
        what=f"{table}.{found.name} is {found.words}, too short for {', '.join(too_long)}",
        hint=f"run: ALTER TABLE {table} ALTER COLUMN {found.name} TYPE text",
    )
