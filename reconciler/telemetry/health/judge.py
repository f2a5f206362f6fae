"""The limits of each row, and the verdict.

    row                                  healthy      warning        critical
    breakers                             all closed   any half-open  any open
    last cycle's duration                < 10 s       10-30 s        > 30 s
    discrepancies of the last hour       < 1 %        1-5 %          > 5 %
    errors in the last hour              < 5          5-20           > 20
    last run                             <= 60 s ago  60-300 s       > 300 s
    oldest stale order                   < 2 x stale  2-6 x stale    > 6 x stale
    open orders on hold                  < 1 %        1-10 %         > 10 %
    oldest hold                          <= 1 h old   1-24 h         > 24 h

During a table's first sync any order may differ, so that sync is reported separately and excluded
from the discrepancy rate. The first sync is the first sweep that saw any order: it is over at the
latest `FIRST_SYNC_HOURS` after its beginning, and never comes again.

The age of the oldest stale order is compared with the time after which an order is stale. During
the first sync it is no alarm either: no sweep has reached those orders before.

A problem that only a person can fix is critical by itself: the halt, a key that the exchange
refuses, another account, a parked shard. A database that takes no work at the moment is a warning:
the other rows then show what was measured before. The worst row is the verdict. An unknown value
makes no row; if not even the last run is known, the verdict is `unknown`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.telemetry.health.rows import Grade, HealthRow, Slug
from reconciler.telemetry.health.vitals import LastHour, Vitals
from reconciler.telemetry.rounding import round_on_same_side

CYCLE_SECONDS = (10.0, 30.0)
DISCREPANCY_RATE = (0.01, 0.05)
ERRORS = (5, 20)
LAST_RUN_SECONDS = (60.0, 300.0)
STALE_TIMES = (2.0, 6.0)
HELD_SHARE = (0.01, 0.10)
OLDEST_HOLD_HOURS = (1.0, 24.0)

FIRST_SYNC_HOURS = 24
"""Cycles that begin more than this many hours after the first do not belong to the first sync."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthVerdict:
    """The worst row's grade, and all rows."""

    status: Grade
    rows: tuple[HealthRow, ...]

    @property
    def reasons(self) -> tuple[HealthRow, ...]:
        """The rows that made the verdict; none if all is well or nothing is known."""
        if self.status not in {Grade.WARNING, Grade.CRITICAL}:
            return ()
        return tuple(row for row in self.rows if row.grade is self.status)


def judge(vitals: Vitals) -> HealthVerdict:
    """Return the verdict."""
    rows = tuple(_rows(vitals))
    grades = {row.grade for row in rows}
    is_known = vitals.last_hour.last_run_age_seconds is not None
    good = Grade.HEALTHY if is_known else Grade.UNKNOWN
    worst = next((grade for grade in (Grade.CRITICAL, Grade.WARNING) if grade in grades), good)
    return HealthVerdict(status=worst, rows=rows)


def _rows(vitals: Vitals) -> Iterator[HealthRow]:
    if vitals.is_shadow:
        yield HealthRow.of(Slug.MODE, "shadow: nothing is written", Grade.HEALTHY)
    if vitals.breakers_open is not None and vitals.breakers_half_open is not None:
        yield _breaker_row(vitals.breakers_open, vitals.breakers_half_open)
    yield from _cycle_rows(vitals.last_hour, is_shadow=vitals.is_shadow)
    yield from _stale_rows(vitals)
    yield from _hold_rows(vitals)
    yield from _manual_action_rows(vitals)


def _cycle_rows(hour: LastHour, *, is_shadow: bool) -> Iterator[HealthRow]:
    if hour.last_duration_ms is not None:
        seconds = hour.last_duration_ms / 1000
        yield HealthRow.of(
            Slug.CYCLE_DURATION,
            f"{round_on_same_side(seconds, 1, _grade_of_cycle)} s",
            _grade_of_cycle(seconds),
        )
    yield _discrepancy_row(hour, is_shadow=is_shadow)
    yield HealthRow.of(
        Slug.ERRORS,
        f"{hour.errors:,} in the last hour",
        _grade_from(hour.errors, *ERRORS),
    )
    if (age := hour.last_run_age_seconds) is not None:
        rounded = round_on_same_side(age, 0, _grade_of_last_run)
        yield HealthRow.of(Slug.LAST_RUN, f"{rounded} s ago", _grade_of_last_run(age))


def _discrepancy_row(hour: LastHour, *, is_shadow: bool) -> HealthRow:
    """Grade the discrepancies, except those of the first sync, where any order may differ.

    A shadow finds the same order different again and again: there they have no grade of their own.
    """
    scanned = hour.scanned - hour.first_sync_scanned
    differed = hour.discrepancies - hour.first_sync_discrepancies
    percent = 100 * differed / scanned if scanned > 0 else 0.0
    rounded = round_on_same_side(percent, 1, _grade_of_percent)
    value = f"{rounded}% of {scanned:,} orders in the last hour"
    if hour.first_sync_scanned:
        value += (
            f"; not counted is the first sync of this table:"
            f" {hour.first_sync_discrepancies:,} of {hour.first_sync_scanned:,} differed"
        )
    grade = Grade.HEALTHY if is_shadow else _grade_of_percent(percent)
    return HealthRow.of(Slug.DISCREPANCY_RATE, value, grade)


def _stale_rows(vitals: Vitals) -> Iterator[HealthRow]:
    age, stale_after = vitals.oldest_stale_age_seconds, vitals.stale_after_seconds
    if age is None or stale_after is None:
        return
    if not vitals.stale_orders:
        yield HealthRow.of(Slug.OLDEST_STALE, "none is stale", Grade.HEALTHY)
        return
    limits = tuple(times * stale_after for times in STALE_TIMES)
    rounded = round_on_same_side(age, 0, lambda seconds: _grade_from(seconds, *limits))
    value = f"unsynced for {rounded} s, of {vitals.stale_orders:,} that are after {stale_after:g} s"
    if vitals.last_hour.is_first_sync:
        value = f"{value}; this is the first sync"
        yield HealthRow.of(Slug.OLDEST_STALE, value, Grade.HEALTHY)
    else:
        yield HealthRow.of(Slug.OLDEST_STALE, value, _grade_from(age, *limits))


def _hold_rows(vitals: Vitals) -> Iterator[HealthRow]:
    held, open_ = vitals.held_orders, vitals.open_orders
    if held is not None and open_ is not None:
        percent = 100 * held / max(open_, held, 1)
        rounded = round_on_same_side(percent, 1, _grade_of_held_percent)
        yield HealthRow.of(
            Slug.HOLDS,
            f"{rounded}% of {open_:,} open orders: {held:,}",
            _grade_of_held_percent(percent),
        )
    if vitals.oldest_hold_age_seconds is not None:
        hours = vitals.oldest_hold_age_seconds / 3600
        value = f"{round_on_same_side(hours, 1, _grade_of_hold)} h old"
        yield HealthRow.of(Slug.OLDEST_HOLD, value, _grade_of_hold(hours))


def _grade_of_cycle(seconds: float) -> Grade:
    return _grade_from(seconds, *CYCLE_SECONDS)


def _grade_of_percent(percent: float) -> Grade:
    warning, critical = DISCREPANCY_RATE
    return _grade_from(percent, 100 * warning, 100 * critical)


def _grade_of_last_run(seconds: float) -> Grade:
    return _grade_above(seconds, *LAST_RUN_SECONDS)


def _grade_of_held_percent(percent: float) -> Grade:
    warning, critical = HELD_SHARE
    return _grade_from(percent, 100 * warning, 100 * critical)


def _grade_of_hold(hours: float) -> Grade:
    return _grade_above(hours, *OLDEST_HOLD_HOURS)


def _manual_action_rows(vitals: Vitals) -> Iterator[HealthRow]:
    if vitals.halted is not None:
        yield HealthRow.of(Slug.HALT, vitals.halted, Grade.CRITICAL)
    if vitals.blocked is not None:
        yield HealthRow.of(Slug.EXCHANGE, vitals.blocked, Grade.CRITICAL)
    if vitals.store_refusal is not None:
        yield HealthRow.of(Slug.DATABASE, vitals.store_refusal, Grade.CRITICAL)
    elif vitals.store_away is not None:
        yield HealthRow.of(Slug.DATABASE, vitals.store_away, Grade.WARNING)
    if vitals.parked:
        value = f"{vitals.parked} parked: their workers kept dying"
        yield HealthRow.of(Slug.SHARDS, value, Grade.CRITICAL)


def _breaker_row(open_: int, half_open: int) -> HealthRow:
    if open_:
        return HealthRow.of(Slug.BREAKERS, f"{open_} open", Grade.CRITICAL)
    if half_open:
        return HealthRow.of(Slug.BREAKERS, f"{half_open} half-open", Grade.WARNING)
    return HealthRow.of(Slug.BREAKERS, "all closed", Grade.HEALTHY)


def _grade_from(value: float, warning: float, critical: float) -> Grade:
    """Grade a value: `warning` itself is a warning, and more than `critical` is critical."""
    if value > critical:
        return Grade.CRITICAL
    return Grade.WARNING if value >= warning else Grade.HEALTHY


def _grade_above(value: float, warning: float, critical: float) -> Grade:
    """Grade a value: `warning` itself is healthy, and more than `critical` is critical."""
    if value > critical:
        return Grade.CRITICAL
    return Grade.WARNING if value > warning else Grade.HEALTHY
