"""One verdict on the reconciler's health, and the reasons for it: pure.

    row                                  healthy      warning        critical
    breakers                             all closed   any half-open  any open
    last cycle's duration                < 10 s       10-30 s        > 30 s
    discrepancies of the last hour       < 1 %        1-5 %          > 5 %
    errors in the last hour              < 5          5-20           > 20
    last run                             <= 60 s ago  60-300 s       > 300 s
    oldest stale order                   < 2 x stale  2-6 x stale    > 6 x stale
    open orders on hold                  < 1 %        1-10 %         > 10 %
    oldest hold                          <= 1 h old   1-24 h         > 24 h

The first sync of a table, where every row may differ, is named as such and left out of the rate of
discrepancies. It is what the first sweep that looked at any order did: `FIRST_SYNC_HOURS` after its
beginning it is over in any case, and it never comes again.

How long an order may be unsynced is measured by the time after which it is stale. During the first
sync that is no alarm either: nobody has looked at the table's orders before.

What a person must fix is critical by itself: the halt, a credential that the exchange refuses,
another account, a parked shard. A database that takes no work at the moment is a warning: the other
rows are then of what was measured before. The worst row is the verdict. What cannot be known makes
no row; if not even a run is known, the verdict is `unknown`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.telemetry.shown import decisive

CYCLE_SECONDS = (10.0, 30.0)
DISCREPANCY_RATE = (0.01, 0.05)
ERRORS = (5, 20)
LAST_RUN_SECONDS = (60.0, 300.0)
STALE_TIMES = (2.0, 6.0)
HELD_SHARE = (0.01, 0.10)
OLDEST_HOLD_HOURS = (1.0, 24.0)

FIRST_SYNC_HOURS = 24
"""What a cycle finds that begins later than this after the first one counts in any case."""


class Grade(StrEnum):
    """How well something is. `UNKNOWN` makes no verdict worse; alone it is the verdict."""

    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class LastHour:
    """What the cycles of the last hour did, on all hosts; the last cycle however old it is.

    Attributes:
        scanned, discrepancies, errors: Orders of all these cycles.
        first_sync_scanned, first_sync_discrepancies: Those of them of the table's first sync.
        is_first_sync: Whether that is still going on.
        last_run_age_seconds: How long ago the last cycle ended; None: none has ever been recorded.
        last_duration_ms: How long it took.
    """

    scanned: int = 0
    discrepancies: int = 0
    errors: int = 0
    first_sync_scanned: int = 0
    first_sync_discrepancies: int = 0
    is_first_sync: bool = False
    last_run_age_seconds: float | None = None
    last_duration_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Vitals:
    """What the verdict is taken from. None: not known.

    Attributes:
        breakers_open, breakers_half_open: Shards whose circuit breaker is.
        cycle_seconds: How long the last cycle took.
        scanned, discrepancies, errors: Orders of the last hour's cycles, on all hosts.
        first_sync_scanned, first_sync_discrepancies: Those of them of the table's first sync.
        last_run_age_seconds: How long ago the last cycle ended.
        stale_orders: Orders that are stale.
        oldest_stale_age_seconds: How long the oldest of them has not been synced.
        stale_after_seconds: How long an order may be unsynced before it is stale.
        is_first_sync: Whether the first sync of the table is still going on.
        open_orders, held_orders: Orders that are open, and those of them on hold.
        oldest_hold_age_seconds: How long ago the oldest hold began.
        halted: Why nothing may be written.
        blocked: What a person has to fix at the exchange: a refused key, another account.
        store_refusal: What a person has to fix at the database: a right, a password.
        store_away: Why the database takes no work at the moment: it is away, or read-only.
        parked: Shards that are out of service because their workers kept dying.
    """

    breakers_open: int | None = None
    breakers_half_open: int | None = None
    cycle_seconds: float | None = None
    scanned: int = 0
    discrepancies: int = 0
    errors: int = 0
    first_sync_scanned: int = 0
    first_sync_discrepancies: int = 0
    last_run_age_seconds: float | None = None
    stale_orders: int | None = None
    oldest_stale_age_seconds: float | None = None
    stale_after_seconds: float | None = None
    is_first_sync: bool = False
    open_orders: int | None = None
    held_orders: int | None = None
    oldest_hold_age_seconds: float | None = None
    halted: str | None = None
    blocked: str | None = None
    store_refusal: str | None = None
    store_away: str | None = None
    parked: int | None = None

    @classmethod
    def of(cls, hour: LastHour) -> "Vitals":
        """Return what the record of cycles knows: nothing of breakers, shards and keys."""
        duration_ms = hour.last_duration_ms
        return cls(
            cycle_seconds=None if duration_ms is None else duration_ms / 1000,
            scanned=hour.scanned,
            discrepancies=hour.discrepancies,
            errors=hour.errors,
            first_sync_scanned=hour.first_sync_scanned,
            first_sync_discrepancies=hour.first_sync_discrepancies,
            last_run_age_seconds=hour.last_run_age_seconds,
            is_first_sync=hour.is_first_sync,
        )


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
            value=f"{decisive(vitals.cycle_seconds, 1, _grade_of_cycle)} s",
            grade=_grade_of_cycle(vitals.cycle_seconds),
        )
    yield _discrepancies(vitals)
    yield Row(
        name="errors",
        value=f"{vitals.errors:,} in the last hour",
        grade=_from(vitals.errors, *ERRORS),
    )
    if (age := vitals.last_run_age_seconds) is not None:
        shown = decisive(age, 0, _grade_of_last_run)
        yield Row(name="last run", value=f"{shown} s ago", grade=_grade_of_last_run(age))
    yield from _stale(vitals)
    yield from _holds(vitals)
    yield from _what_a_person_must_fix(vitals)


def _stale(vitals: Vitals) -> Iterator[Row]:
    age, stale_after = vitals.oldest_stale_age_seconds, vitals.stale_after_seconds
    if age is None or stale_after is None:
        return
    if not vitals.stale_orders:
        yield Row(name=_OLDEST_STALE, value="none is stale", grade=Grade.HEALTHY)
        return
    limits = tuple(times * stale_after for times in STALE_TIMES)
    shown = decisive(age, 0, lambda seconds: _from(seconds, *limits))
    value = f"unsynced for {shown} s, of {vitals.stale_orders:,} that are after {stale_after:g} s"
    if vitals.is_first_sync:
        yield Row(name=_OLDEST_STALE, value=f"{value}; this is the first sync", grade=Grade.HEALTHY)
    else:
        yield Row(name=_OLDEST_STALE, value=value, grade=_from(age, *limits))


_OLDEST_STALE = "oldest stale order"


def _holds(vitals: Vitals) -> Iterator[Row]:
    held, open_ = vitals.held_orders, vitals.open_orders
    if held is not None and open_ is not None:
        percent = 100 * held / max(open_, held, 1)
        shown = decisive(percent, 1, _grade_of_held_percent)
        yield Row(
            name="orders on hold",
            value=f"{shown}% of {open_:,} open orders: {held:,}",
            grade=_grade_of_held_percent(percent),
        )
    if vitals.oldest_hold_age_seconds is not None:
        hours = vitals.oldest_hold_age_seconds / 3600
        value = f"{decisive(hours, 1, _grade_of_hold)} h old"
        yield Row(name="oldest hold", value=value, grade=_grade_of_hold(hours))


def _discrepancies(vitals: Vitals) -> Row:
    """Judge what differed, but for the first sync of the table, where every row may."""
    scanned = vitals.scanned - vitals.first_sync_scanned
    differed = vitals.discrepancies - vitals.first_sync_discrepancies
    percent = 100 * differed / scanned if scanned > 0 else 0.0
    value = f"{decisive(percent, 1, _grade_of_percent)}% of {scanned:,} orders in the last hour"
    if vitals.first_sync_scanned:
        value += (
            f"; not counted is the first sync of this table:"
            f" {vitals.first_sync_discrepancies:,} of {vitals.first_sync_scanned:,} differed"
        )
    return Row(name="discrepancy rate", value=value, grade=_grade_of_percent(percent))


def _grade_of_cycle(seconds: float) -> Grade:
    return _from(seconds, *CYCLE_SECONDS)


def _grade_of_percent(percent: float) -> Grade:
    warning, critical = DISCREPANCY_RATE
    return _from(percent, 100 * warning, 100 * critical)


def _grade_of_last_run(seconds: float) -> Grade:
    return _beyond(seconds, *LAST_RUN_SECONDS)


def _grade_of_held_percent(percent: float) -> Grade:
    warning, critical = HELD_SHARE
    return _from(percent, 100 * warning, 100 * critical)


def _grade_of_hold(hours: float) -> Grade:
    return _beyond(hours, *OLDEST_HOLD_HOURS)


def _what_a_person_must_fix(vitals: Vitals) -> Iterator[Row]:
    if vitals.halted is not None:
        yield Row(name="halt", value=vitals.halted, grade=Grade.CRITICAL)
    if vitals.blocked is not None:
        yield Row(name="exchange", value=vitals.blocked, grade=Grade.CRITICAL)
    if vitals.store_refusal is not None:
        yield Row(name="database", value=vitals.store_refusal, grade=Grade.CRITICAL)
    elif vitals.store_away is not None:
        yield Row(name="database", value=vitals.store_away, grade=Grade.WARNING)
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
