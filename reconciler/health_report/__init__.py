"""The health of this installation: one verdict for everybody who asks.

The running supervisor answers or, if there is none, the database.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from reconciler.control.running_supervisor import ask_supervisor
from reconciler.error_hints import problems_of
from reconciler.errors import ConfigurationError, NoSupervisor, Problem, ReconcilerError
from reconciler.settings import Settings
from reconciler.telemetry.health import (
    Grade,
    HealthRow,
    Slug,
    Vitals,
    causes_first,
    judge,
)

DATABASE_SECONDS = 5.0
"""While no supervisor answers, a view asks again after this long: the database counts the open
orders, as often as a supervisor would have it do at most."""

_WORDS = {
    Grade.HEALTHY: "OK",
    Grade.WARNING: "WARNING",
    Grade.CRITICAL: "CRITICAL",
    Grade.UNKNOWN: "UNKNOWN",
}


class HealthSource(StrEnum):
    """The source of a verdict."""

    SUPERVISOR = "supervisor"
    DATABASE = "database"


@dataclass(frozen=True, kw_only=True)
class HealthReport:
    """The verdict, its reasons and its source.

    Attributes:
        reasons: The rows that decided the verdict and their causes, causes first; if it is
            unknown, the rows that say why.
        source: None if neither source could be asked.
        problems: The problems that prevented an answer.
        note: Why the database was asked and not the supervisor.
        vitals: What was judged; None if neither source could be asked.
    """

    status: Grade
    reasons: tuple[HealthRow, ...]
    rows: tuple[HealthRow, ...]
    source: HealthSource | None
    problems: tuple[Problem, ...] = ()
    note: str | None = None
    vitals: Vitals | None = None

    @classmethod
    def of(cls, vitals: Vitals, source: HealthSource, *, note: str | None = None) -> "HealthReport":
        """Judge vitals."""
        verdict = judge(vitals)
        return cls(
            status=verdict.status,
            reasons=verdict.reasons,
            rows=verdict.rows,
            source=source,
            note=note,
            vitals=vitals,
        )

    @classmethod
    def unknown(cls, *errors: ReconcilerError) -> "HealthReport":
        """Return the verdict if no source could be asked."""
        found = [(_slug_of(error), problem) for error in errors for problem in problems_of(error)]
        return cls(
            status=Grade.UNKNOWN,
            reasons=causes_first(
                HealthRow.of(slug, problem.what, Grade.UNKNOWN) for slug, problem in found
            ),
            rows=(),
            source=None,
            problems=tuple(problem for _, problem in found),
        )

    @property
    def headline(self) -> str:
        """The first line, which Nagios shows."""
        rows = self.reasons or [row for row in self.rows if row.slug is Slug.LAST_RUN]
        return f"RECONCILER {_WORDS[self.status]} - {_on_one_line(rows)}"

    @property
    def exit_code(self) -> int:
        """The exit code of a Nagios plugin."""
        match self.status:
            case Grade.HEALTHY:
                return 0
            case Grade.WARNING:
                return 1
            case Grade.CRITICAL:
                return 2
            case Grade.UNKNOWN:
                return 3
            case _:
                assert_never(self.status)


def read_health(settings: Settings) -> HealthReport:
    """Ask the running supervisor, or else the database, and judge what it answers.

    Blocks for a few seconds; if a statement does not end, for `recorded.STATEMENT_SECONDS`. Never
    fails: what prevents a verdict is the reason for `unknown`.
    """
    try:
        vitals = ask_supervisor(settings, "health", Vitals)
    except NoSupervisor as error:
        return _from_database(settings, error)
    except ReconcilerError as error:
        return HealthReport.unknown(error)
    return HealthReport.of(vitals, HealthSource.SUPERVISOR)


def _from_database(settings: Settings, unanswered: NoSupervisor) -> HealthReport:
    from reconciler.health_report.recorded import (  # noqa: PLC0415 - imports SQLAlchemy
        read_vitals,
    )

    try:
        vitals = read_vitals(settings)
    except ReconcilerError as error:
        return HealthReport.unknown(unanswered, error)
    return HealthReport.of(vitals, HealthSource.DATABASE, note=str(unanswered))


def _slug_of(error: ReconcilerError) -> Slug:
    match error:
        case NoSupervisor():
            return Slug.SUPERVISOR
        case ConfigurationError():
            return Slug.CONFIGURATION
        case _:
            return Slug.DATABASE


def _on_one_line(rows: Iterable[HealthRow]) -> str:
    """Return the rows for Nagios, which ends a line's text at a line break or a bar."""
    text = "; ".join(f"{row.name}: {row.value}" for row in rows)
    return " ".join(text.replace("|", "/").split())
