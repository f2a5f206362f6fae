"""What columns that are not ours must be like, and the mend of each that is not: pure.

A mend is SQL that can be run as it is printed. It rewrites a column only where we would otherwise
lose digits or moments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import DateTime, Float, Integer, Numeric, String, Uuid
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM, JSON
from sqlalchemy.types import TypeEngine

from reconciler.domain.status import Status
from reconciler.errors import Problem

Types = Mapping[str, TypeEngine[Any]]

_LONGEST_STATUS = max(len(status) for status in Status)
_REWRITES = "  -- rewrites the table, which is locked meanwhile: in a quiet hour"


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What a column may be, in SQLAlchemy's types and in a person's words.

    `ddl` is the type that a mend makes of it.
    """

    types: tuple[type[TypeEngine[Any]], ...]
    words: str
    ddl: str


TEXT = Requirement(types=(String,), words="text or varchar", ddl="text")
MONEY = Requirement(types=(Numeric,), words="numeric, so that no digit is lost", ddl="numeric")
MOMENT = Requirement(types=(DateTime,), words="timestamptz", ddl="timestamptz")
KEY = Requirement(types=(Integer, Uuid), words="integer, bigint or uuid", ddl="bigint")
STATUS = Requirement(types=(String, ENUM), words="text or an enum", ddl="text")
DETAILS = Requirement(types=(JSON,), words="jsonb", ddl="jsonb")


def base_type(found: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type under a domain, under all of them; any other as it is."""
    while isinstance(found, DOMAIN):
        found = found.data_type
    return found


def column_problems(table: str, required: Mapping[str, Requirement], types: Types) -> list[Problem]:
    """Name each required column that is missing or does not fit. `types` are without domains."""
    return [
        problem
        for name, requirement in required.items()
        if (problem := _check(table, name, types.get(name), requirement))
    ]


def _check(
    table: str, name: str, found: TypeEngine[Any] | None, requirement: Requirement
) -> Problem | None:
    if found is None:
        return Problem(
            what=f"column {table}.{name} is missing",
            mend=f"run: ALTER TABLE {table} ADD COLUMN {name} {requirement.ddl}",
        )
    if isinstance(found, ENUM):
        fits = ENUM in requirement.types
        return _check_labels(table, name, found) if fits else _misfit(table, name, requirement)
    if not _fits(found, requirement):
        return _misfit(table, name, requirement, found)
    if requirement is STATUS:
        return _check_length(table, name, found)
    return None


def _fits(found: TypeEngine[Any], requirement: Requirement) -> bool:
    if isinstance(found, Float | ENUM) or not isinstance(found, requirement.types):
        return False
    return bool(found.timezone) if isinstance(found, DateTime) else True


def _misfit(
    table: str, name: str, requirement: Requirement, found: TypeEngine[Any] | None = None
) -> Problem:
    is_naive = requirement is MOMENT and isinstance(found, DateTime)
    using = f"{name} AT TIME ZONE 'UTC'" if is_naive else f"{name}::{requirement.ddl}"
    return Problem(
        what=f"{table}.{name} is {found or 'an enum'}, it must be {requirement.words}",
        mend=f"run: ALTER TABLE {table} ALTER COLUMN {name} TYPE {requirement.ddl}"
        f" USING {using}{_REWRITES}",
    )


def _check_labels(table: str, name: str, found: ENUM) -> Problem | None:
    missing = [status.value for status in Status if status.value not in found.enums]
    if not missing:
        return None
    enum = ".".join(f'"{part}"' for part in (found.schema, found.name) if part)
    add = "; ".join(f"ALTER TYPE {enum} ADD VALUE '{label}'" for label in missing)
    return Problem(
        what=f"{table}.{name} is the enum {found.name}, which lacks {', '.join(missing)}",
        mend=f"run: {add}",
    )


def _check_length(table: str, name: str, found: TypeEngine[Any]) -> Problem | None:
    length = found.length if isinstance(found, String) else None
    if length is None or length >= _LONGEST_STATUS:
        return None
    too_long = [status.value for status in Status if len(status) > length]
    return Problem(
        what=f"{table}.{name} is {found}, too short for {', '.join(too_long)}",
        mend=f"run: ALTER TABLE {table} ALTER COLUMN {name} TYPE text",
    )
