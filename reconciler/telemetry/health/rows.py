"""The rows of the verdict: the name of each, what to type about it, and where to read on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

RUNBOOK = "incident-runbook.md"
"""The page with a section for each row, in `docs/how-to`."""


class Grade(StrEnum):
    """The grade of a row or a verdict. `UNKNOWN` makes no verdict worse."""

    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class Slug(StrEnum):
    """What a row is called by programs: it never changes. The rows are shown in this order."""

    MODE = "mode"
    CONFIGURATION = "configuration"
    BREAKERS = "breakers"
    CYCLE_DURATION = "cycle_duration"
    DISCREPANCY_RATE = "discrepancy_rate"
    ERRORS = "errors"
    LAST_RUN = "last_run"
    OLDEST_STALE = "oldest_stale"
    BACKLOG = "backlog"
    HOLDS = "holds"
    OLDEST_HOLD = "oldest_hold"
    PAUSE = "pause"
    HALT = "halt"
    ACCOUNTS = "accounts"
    SHARDS = "shards"
    DATABASE = "database"
    EXCHANGE = "exchange"
    SUPERVISOR = "supervisor"


class _Row(NamedTuple):
    """What is the same in every row of one slug: its name for people, and what to type first."""

    name: str
    command: str


_ROWS = {
    Slug.MODE: _Row("mode", "reconciler status"),
    Slug.CONFIGURATION: _Row("configuration", "reconciler check"),
    Slug.BREAKERS: _Row("breakers", "reconciler status"),
    Slug.CYCLE_DURATION: _Row("cycle duration", "reconciler status"),
    Slug.DISCREPANCY_RATE: _Row("discrepancy rate", "reconciler changes"),
    Slug.ERRORS: _Row("errors", "reconciler check"),
    Slug.LAST_RUN: _Row("last run", "reconciler status"),
    Slug.OLDEST_STALE: _Row("oldest stale order", "reconciler status"),
    Slug.BACKLOG: _Row("backlog", "reconciler status"),
    Slug.HOLDS: _Row("orders on hold", "reconciler holds list"),
    Slug.OLDEST_HOLD: _Row("oldest hold", "reconciler holds list"),
    Slug.PAUSE: _Row("rate-limit pause", "reconciler status"),
    Slug.HALT: _Row("halt", "reconciler halt status"),
    Slug.ACCOUNTS: _Row("accounts", "reconciler check"),
    Slug.SHARDS: _Row("shards", "reconciler status"),
    Slug.DATABASE: _Row("database", "reconciler check"),
    Slug.EXCHANGE: _Row("exchange", "reconciler check"),
    Slug.SUPERVISOR: _Row("supervisor", "reconciler run"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthRow:
    """A row of the table.

    Attributes:
        slug: What programs call it.
        name: What people call it.
        value: What was measured, as text.
        grade: Its grade.
        command: What to type to see more.
        runbook: Where to read on: a section of a page in `docs/how-to`.
    """

    slug: Slug
    name: str
    value: str
    grade: Grade
    command: str
    runbook: str

    @classmethod
    def of(cls, slug: Slug, value: str, grade: Grade) -> "HealthRow":
        """Return the row of a slug."""
        row = _ROWS[slug]
        return cls(
            slug=slug,
            name=row.name,
            value=value,
            grade=grade,
            command=row.command,
            runbook=f"{RUNBOOK}#{slug.replace('_', '-')}",
        )
