"""The alerts: when each fires, and where the runbook says what to do.

Where the verdict has a row, the alert is about that row: then the limits are those of `reconciler
health`, and what the verdict knows (the first sync, a shadow, RECONCILIATION_STALE_MINUTES) counts.
What must be seen even where nobody judges is about the metric itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from scripts.dashboard import limits
from scripts.dashboard.signal import Age, Growth, Row, Signal, Total, Value, Verdict


class Severity(StrEnum):
    """Whom an alert wakes: `critical` a person, `warning` nobody before the morning."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert. It fires when all values of `for_seconds` are in its range.

    Attributes:
        name: Its name, as Prometheus spells such names.
        summary: What is wrong, in one sentence.
        severity: How bad it is.
        signal: What is compared.
        above: The values above this one are bad.
        up_to: If given, values above this one are another alert's.
        for_seconds: How long it must be so.
        runbook: The section of docs/how-to/incident-runbook.md.
    """

    name: str
    summary: str
    severity: Severity
    signal: Signal
    above: float
    up_to: float | None = None
    for_seconds: int
    runbook: str


def _about_row(
    row: str, name: str, warning: str, critical: str, *, warn_after: int, alarm_after: int
) -> Iterator[Alert]:
    """Return an alert for each grade of a row that has one: its words are not empty."""
    for grade, severity, summary, seconds in (
        (1, Severity.WARNING, warning, warn_after),
        (2, Severity.CRITICAL, critical, alarm_after),
    ):
        if summary:
            yield Alert(
                name=f"Reconciler{name}{severity.title()}",
                summary=summary,
                severity=severity,
                signal=Row(row=row),
                above=grade - 1,
                up_to=grade if critical and grade == 1 else None,
                for_seconds=seconds,
                runbook=row.replace("_", "-"),
            )


def _words(pair: limits.Limits, unit: str, factor: float = 1) -> tuple[str, str]:
    """Return both limits with their unit."""
    warning, critical = (
        f"{(value or 0) * factor:g}{unit}" for value in (pair.warning, pair.critical)
    )
    return warning, critical


_STALE = _words(limits.STALE, " times RECONCILIATION_STALE_MINUTES")
_DIFFER = _words(limits.DISCREPANCY_PERCENT, " %")
_ERRORS = _words(limits.ERRORS_AN_HOUR, "")
_CYCLE = _words(limits.CYCLE_MS, " s", 0.001)
_HELD = _words(limits.HELD_PERCENT, " %")
_HOLD = _words(limits.OLDEST_HOLD_SECONDS, " h", 1 / 3600)

ALERTS: tuple[Alert, ...] = (
    Alert(
        name="ReconcilerSupervisorGone",
        summary="No supervisor has judged for 2 minutes: none runs, or its metrics do not arrive.",
        severity=Severity.CRITICAL,
        signal=Verdict(),
        above=2,
        for_seconds=120,
        runbook="supervisor",
    ),
    Alert(
        name="ReconcilerVerdictCritical",
        summary="reconciler health says critical, and names the row that made it so.",
        severity=Severity.CRITICAL,
        signal=Verdict(),
        above=1,
        up_to=2,
        for_seconds=120,
        runbook="the-first-two-minutes",
    ),
    Alert(
        name="ReconcilerVerdictWarning",
        summary="reconciler health has said warning for 15 minutes, and names the row.",
        severity=Severity.WARNING,
        signal=Verdict(),
        above=0,
        up_to=1,
        for_seconds=900,
        runbook="the-first-two-minutes",
    ),
    Alert(
        name="ReconcilerLastRunCritical",
        summary=f"No cycle has ended for {limits.LAST_RUN.critical:g} s.",
        severity=Severity.CRITICAL,
        signal=Age("cycle.last_run_timestamp", 1),
        above=limits.LAST_RUN.critical or 0,
        for_seconds=60,
        runbook="last-run",
    ),
    *_about_row(
        "oldest_stale",
        "OldestStale",
        f"The oldest stale order has not been synced for {_STALE[0]}.",
        f"The oldest stale order has not been synced for {_STALE[1]}.",
        warn_after=300,
        alarm_after=60,
    ),
    *_about_row(
        "backlog",
        "Backlog",
        "The budget cannot work off the backlog in the time after which an order is stale.",
        "",
        warn_after=600,
        alarm_after=0,
    ),
    Alert(
        name="ReconcilerBacklogGrowing",
        summary=f"In 15 minutes the backlog has grown by more than {limits.BATCH_ORDERS:g} orders,"
        " which is what one shard takes at once.",
        severity=Severity.WARNING,
        signal=Growth("stale.backlog"),
        above=limits.BATCH_ORDERS,
        for_seconds=600,
        runbook="backlog",
    ),
    Alert(
        name="ReconcilerBreakerOpen",
        summary="The breaker of a shard is open: that shard sends nothing to the exchange.",
        severity=Severity.CRITICAL,
        signal=Value("breakers.open"),
        above=0,
        for_seconds=60,
        runbook="breakers",
    ),
    Alert(
        name="ReconcilerHalt",
        summary="The halt is on: nothing is written, because most of a cycle looked wrong.",
        severity=Severity.CRITICAL,
        signal=Value("halt.active"),
        above=0,
        for_seconds=30,
        runbook="halt",
    ),
    Alert(
        name="ReconcilerRateLimitPause",
        summary=f"The exchange wants no requests for more than {limits.PAUSE.warning:g} s.",
        severity=Severity.WARNING,
        signal=Value("budget.pause_seconds"),
        above=limits.PAUSE.warning or 0,
        for_seconds=60,
        runbook="pause",
    ),
    *_about_row(
        "holds",
        "Holds",
        f"At least {_HELD[0]} of the open orders are on hold.",
        f"More than {_HELD[1]} of the open orders are on hold.",
        warn_after=600,
        alarm_after=60,
    ),
    *_about_row(
        "oldest_hold",
        "OldestHold",
        f"An order has been on hold for more than {_HOLD[0]}.",
        f"An order has been on hold for more than {_HOLD[1]}.",
        warn_after=600,
        alarm_after=600,
    ),
    *_about_row(
        "discrepancy_rate",
        "Discrepancies",
        f"At least {_DIFFER[0]} of the last hour's rows said something else than the exchange.",
        f"More than {_DIFFER[1]} of the last hour's rows said something else than the exchange.",
        warn_after=300,
        alarm_after=60,
    ),
    *_about_row(
        "errors",
        "Errors",
        f"At least {_ERRORS[0]} orders were asked for without result in the last hour.",
        f"More than {_ERRORS[1]} orders were asked for without result in the last hour.",
        warn_after=300,
        alarm_after=60,
    ),
    *_about_row(
        "cycle_duration",
        "CycleDuration",
        f"A cycle of the last hour took {_CYCLE[0]} or more.",
        f"A cycle of the last hour took more than {_CYCLE[1]}.",
        warn_after=600,
        alarm_after=300,
    ),
    Alert(
        name="ReconcilerRestarts",
        summary=f"More than {limits.RESTARTS} workers died and were replaced in 10 minutes.",
        severity=Severity.WARNING,
        signal=Total("supervisor.restarts", 10),
        above=limits.RESTARTS,
        for_seconds=60,
        runbook="shards",
    ),
    Alert(
        name="ReconcilerWorkersHang",
        summary="A worker was killed in the last hour because it hung.",
        severity=Severity.WARNING,
        signal=Total("supervisor.killed_hung"),
        above=0,
        for_seconds=60,
        runbook="a-worker-hangs",
    ),
    *_about_row(
        "shards",
        "Shards",
        "A shard is out of service because its workers kept dying.",
        "All shards are out of service because their workers kept dying.",
        warn_after=60,
        alarm_after=60,
    ),
    *_about_row(
        "accounts",
        "Accounts",
        "An account gets no request until a person acts: the exchange refuses its key, or it is"
        " the key of another account.",
        "No account gets a request until a person acts: the exchange refuses the key, or it is"
        " the key of another account.",
        warn_after=60,
        alarm_after=60,
    ),
    *_about_row(
        "exchange",
        "Exchange",
        "Requests to the exchange fail, and no breaker has opened yet.",
        "Requests to the exchange fail, and have opened a breaker.",
        warn_after=300,
        alarm_after=60,
    ),
    *_about_row(
        "supervisor",
        "SupervisorLost",
        "A supervisor of several is gone without a stop.",
        "",
        warn_after=60,
        alarm_after=0,
    ),
    *_about_row(
        "database",
        "Database",
        "The database is away, or takes no writes.",
        "The database refuses a right or the login.",
        warn_after=60,
        alarm_after=60,
    ),
    Alert(
        name="ReconcilerRowsNotFollowed",
        summary="Rows look open and are not reconciled: their status is no word that we know, or"
        " they have no external id.",
        severity=Severity.WARNING,
        signal=Value("orders.not_followed"),
        above=0,
        for_seconds=600,
        runbook="rows-are-not-followed",
    ),
    Alert(
        name="ReconcilerDuplicates",
        summary="Several open rows name the same order at the exchange, and each takes its fills.",
        severity=Severity.WARNING,
        signal=Value("orders.duplicates"),
        above=0,
        for_seconds=600,
        runbook="rows-are-not-followed",
    ),
    Alert(
        name="ReconcilerLogLinesLost",
        summary="Lines of the log could not be written, for example because the disk is full.",
        severity=Severity.WARNING,
        signal=Total("log.lines_lost", 10),
        above=0,
        for_seconds=60,
        runbook="lines-of-the-log-are-lost",
    ),
)
