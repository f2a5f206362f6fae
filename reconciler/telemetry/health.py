"""One verdict on the reconciler's health, and the reasons for it: pure.

    row                                  healthy      warning        critical
    breakers                             all closed   any half-open  any open
    last cycle's duration                < 10 s       10-30 s        > 30 s
    discrepancies of the last hour       < 1 %        1-5 %          > 5 %
    errors in the last hour              < 5          5-20           > 20
    last run                             <= 60 s ago  60-300 s       > 300 s

What a person must hint is critical by itself: the halt, a credential that the exchange refuses,
another account, a parked shard. The worst row is the verdict. What cannot be known makes no row; if
not even a run is known, the verdict is `unknown`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

CYCLE_SECONDS = (10.0, 30.0)
DISCREPANCY_RATE = (0.01, 0.05)
ERRORS = (5, 20)
LAST_RUN_SECONDS = (60.0, 300.0)


class Grade(StrEnum):
    """How well something is. `UNKNOWN` makes no verdict worse; alone it is the verdict."""

    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Vitals:
    """What the verdict is taken from. None: not known.

    Attributes:
        breakers_open, breakers_half_open: Shards whose circuit breaker is.
        cycle_seconds: How long the last cycle took.
        scanned, discrepancies, errors: Orders of the last hour's cycles.
        last_run_age_seconds: How long ago the last cycle ended.
        halted: Why nothing may be written.
        blocked: What a person has to fix at the exchange: a refused key, another account.
        parked: Shards that are out of service because their workers kept dying.
    """

    breakers_open: int | None = None
    breakers_half_open: int | None = None
    cycle_seconds: float | None = None
    scanned: int = 0
    discrepancies: int = 0
    errors: int = 0
    last_run_age_seconds: float | None = None
    halted: str | None = None
    blocked: str | None = None
    parked: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of the table: what was looked at, its value for a person, and its grade."""

    name: str
    value: str
    grade: Grade


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The worst row's grade, and all rows. `reasons` are the rows that made it so."""

    status: Grade
    rows: tuple[Row, ...]

    @property
    def reasons(self) -> tuple[Row, ...]:
        """The rows that made the verdict; none when all is well or nothing is known."""
        if self.status not in {Grade.WARNING, Grade.CRITICAL}:
            return ()
        return tuple(row for row in self.rows if row.grade is self.status)


def judge(vitals: Vitals) -> Verdict:
    """Return the verdict."""
    rows = tuple(_rows(vitals))
    grades = {row.grade for row in rows}
    is_known = vitals.last_run_age_seconds is not None
    good = Grade.HEALTHY if is_known else Grade.UNKNOWN
    worst = next((grade for grade in (Grade.CRITICAL, Grade.WARNING) if grade in grades), good)
    return Verdict(status=worst, rows=rows)


def _rows(vitals: Vitals) -> Iterator[Row]:
    if vitals.breakers_open is not None and vitals.breakers_half_open is not None:
        yield _breakers(vitals.breakers_open, vitals.breakers_half_open)
    if vitals.cycle_seconds is not None:
        yield Row(
            name="cycle duration",
            value=f"{vitals.cycle_seconds:.1f} s",
            grade=_from(vitals.cycle_seconds, *CYCLE_SECONDS),
        )
    rate = vitals.discrepancies / vitals.scanned if vitals.scanned else 0.0
    yield Row(
        name="discrepancy rate",
        value=f"{rate:.1%} of {vitals.scanned:,} orders in the last hour",
        grade=_from(rate, *DISCREPANCY_RATE),
    )
    yield Row(
        name="errors",
        value=f"{vitals.errors:,} in the last hour",
        grade=_from(vitals.errors, *ERRORS),
    )
    if (age := vitals.last_run_age_seconds) is not None:
        yield Row(name="last run", value=f"{age:.0f} s ago", grade=_beyond(age, *LAST_RUN_SECONDS))
    yield from _what_a_person_must_hint(vitals)


def _what_a_person_must_hint(vitals: Vitals) -> Iterator[Row]:
    if vitals.halted is not None:
        yield Row(name="halt", value=vitals.halted, grade=Grade.CRITICAL)
    if vitals.blocked is not None:
        yield Row(name="exchange", value=vitals.blocked, grade=Grade.CRITICAL)
    if vitals.parked:
        value = f"{vitals.parked} parked: their workers kept dying"
        yield Row(name="shards", value=value, grade=Grade.CRITICAL)


def _breakers(open_: int, half_open: int) -> Row:
    if open_:
        return Row(name="breakers", value=f"{open_} open", grade=Grade.CRITICAL)
    if half_open:
        return Row(name="breakers", value=f"{half_open} half-open", grade=Grade.WARNING)
    return Row(name="breakers", value="all closed", grade=Grade.HEALTHY)


def _from(value: float, warning: float, critical: float) -> Grade:
    """Grade a value: a warning from `warning` on, critical only beyond `critical`."""
    if value > critical:
        return Grade.CRITICAL
    return Grade.WARNING if value >= warning else Grade.HEALTHY


def _beyond(value: float, warning: float, critical: float) -> Grade:
    """Grade a value that is well up to and including `warning`."""
    if value > critical:
        return Grade.CRITICAL
    return Grade.WARNING if value > warning else Grade.HEALTHY
