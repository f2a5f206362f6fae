"""The health of this installation: one verdict for everybody who asks.

The running supervisor answers or, if there is none, the database.
"""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from reconciler.control.running_supervisor import ask_supervisor
from reconciler.error_hints import problems_of
from reconciler.errors import ConfigurationError, NoSupervisor, Problem, ReconcilerError
from reconciler.settings import Settings
from reconciler.store.best_effort import set_statement_timeout
from reconciler.store.cycles import read_last_hour
from reconciler.store.database import Database
from reconciler.store.holds import measure_holds
from reconciler.store.live_state import read_live_states
from reconciler.store.orders_table import read_orders_table
from reconciler.store.shared_state import read_halt
from reconciler.store.stale import StaleOrders
from reconciler.store.user_table import UserTable
from reconciler.telemetry.health import (
    Grade,
    HealthRow,
    HostState,
    Slug,
    Vitals,
    causes_first,
    judge,
)
from reconciler.telemetry.health.merge import merge_hosts

DATABASE_SECONDS = 5.0
"""While no supervisor answers, a view asks again after this long: the database counts the open
orders, as often as a supervisor would have it do at most."""

STATEMENT_SECONDS = 30.0
"""A statement that takes longer says nothing in time: a scan, or a wait for a lock on the table."""

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

    Blocks for a few seconds; if a statement does not end, for `STATEMENT_SECONDS`. Never fails:
    what prevents a verdict is the reason for `unknown`.
    """
    try:
        vitals = ask_supervisor(settings, "health", Vitals)
    except NoSupervisor as error:
        return _from_database(settings, error)
    except ReconcilerError as error:
        return HealthReport.unknown(error)
    return HealthReport.of(vitals, HealthSource.SUPERVISOR)


def _from_database(settings: Settings, unanswered: NoSupervisor) -> HealthReport:
    try:
        vitals = _read_vitals(settings)
    except ReconcilerError as error:
        return HealthReport.unknown(unanswered, error)
    return HealthReport.of(vitals, HealthSource.DATABASE, note=str(unanswered))


def _read_vitals(settings: Settings) -> Vitals:
    """Read the vitals from the database: what the supervisors have recorded, and the orders."""
    with (
        closing(Database(settings.required_database_url, role="health")) as database,
        database.transaction() as connection,
    ):
        set_statement_timeout(connection, STATEMENT_SECONDS)
        hosts = read_live_states(connection, settings.scope)
        hour = read_last_hour(connection, settings.scope)
        halted = read_halt(connection, settings.scope)
        orders = read_orders_table(connection, UserTable(settings.orders))
        holds = measure_holds(connection, orders.user, settings.scope)
        stale_after = _stale_after(hosts, settings)
        stale = StaleOrders(orders, stale_after=stale_after).measure_backlog(connection)
    return Vitals(
        last_hour=hour,
        halted=halted,
        stale_orders=stale.orders,
        oldest_stale_age_seconds=stale.oldest_age_seconds,
        unreached_orders=stale.unreached_orders if hour.is_first_sync else 0,
        stale_after_seconds=stale_after.total_seconds(),
        open_orders=holds.open_orders,
        held_orders=holds.held_orders,
        oldest_hold_age_seconds=holds.oldest_age_seconds,
        hosts=hosts,
    )


def _stale_after(hosts: Iterable[HostState], settings: Settings) -> timedelta:
    """Return the stale time of the supervisors that run: who asks may have other settings."""
    known = [
        host.stale_after_seconds
        for host in merge_hosts(hosts).live
        if host.stale_after_seconds is not None
    ]
    return timedelta(seconds=min(known)) if known else settings.stale_after


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
