"""The rows about the orders: the last hour's cycles, what is stale, what is on hold."""

from collections.abc import Iterator
from math import ceil

from reconciler.formatting import duration
from reconciler.telemetry.health.grading import grade_above, grade_from
from reconciler.telemetry.health.merge import MergedHosts
from reconciler.telemetry.health.rows import Grade, HealthRow, Slug
from reconciler.telemetry.health.vitals import LastHour, Vitals
from reconciler.telemetry.rounding import (
    duration_on_same_side,
    elapsed_on_same_side,
    percent_on_same_side,
)

CYCLE_SECONDS = (10.0, 30.0)
DISCREPANCY_RATE = (0.01, 0.05)
ERRORS = (5, 20)
LAST_RUN_SECONDS = (60.0, 300.0)
STALE_TIMES = (2.0, 6.0)
HELD_SHARE = (0.01, 0.10)
OLDEST_HOLD_HOURS = (1.0, 24.0)

ENOUGH_MEASURED = 10
"""Orders of the last hour from which we conclude how many the budget can do."""

_A_MINUTE = 60.0
_FIRST_SYNC = "; this is the first sync"


def order_rows(vitals: Vitals, hosts: MergedHosts) -> Iterator[HealthRow]:
    """Yield the rows that the database knows; the budget is that of the supervisors."""
    hour = vitals.last_hour
    yield _cycle_duration(hour)
    yield _discrepancy_rate(hour, is_shadow=vitals.is_shadow)
    errors = f"{hour.errors:,} in the last hour"
    yield HealthRow.of(Slug.ERRORS, errors, grade_from(hour.errors, *ERRORS))
    yield _last_run(hour, hosts)
    for row in (*_stale_rows(vitals, hosts), *_hold_rows(vitals)):
        yield _as_counted(row, vitals, hosts)
    yield _halt(vitals, hosts)


def _as_counted(row: HealthRow, vitals: Vitals, hosts: MergedHosts) -> HealthRow:
    """Say how old a count is if the supervisor cannot count again: it proves nothing good of now.

    Who counts in the database has its answer: that is of now.
    """
    if not (vitals.counted_seconds_ago and hosts.is_database_away):
        return row
    value = f"{row.value}, as counted {duration(vitals.counted_seconds_ago)} ago"
    return HealthRow.of(row.slug, value, Grade.UNKNOWN if row.grade is Grade.HEALTHY else row.grade)


def _halt(vitals: Vitals, hosts: MergedHosts) -> HealthRow:
    """Grade the halt: it is on if the database has it, or as long as a supervisor keeps it."""
    kept = next((host.halted for host in hosts.live if host.halted is not None), None)
    if (reason := vitals.halted or kept) is None:
        return HealthRow.of(Slug.HALT, "off", Grade.HEALTHY)
    return HealthRow.of(Slug.HALT, reason, Grade.CRITICAL)


def _cycle_duration(hour: LastHour) -> HealthRow:
    if hour.slowest_duration_ms is None:
        return HealthRow.of(Slug.CYCLE_DURATION, "no cycle in the last hour", Grade.UNKNOWN)
    seconds = hour.slowest_duration_ms / 1000
    value = f"{elapsed_on_same_side(seconds, _grade_of_cycle)}, the slowest of the last hour"
    return HealthRow.of(Slug.CYCLE_DURATION, value, _grade_of_cycle(seconds))


def _discrepancy_rate(hour: LastHour, *, is_shadow: bool) -> HealthRow:
    """Grade the discrepancies, except those of the first sync, where any order may differ.

    A shadow finds the same order different again and again: there they have no grade of their own.
    """
    scanned = hour.scanned - hour.first_sync_scanned
    differed = hour.discrepancies - hour.first_sync_discrepancies
    percent = 100 * differed / scanned if scanned > 0 else 0.0
    rounded = percent_on_same_side(percent, _grade_of_percent)
    value = f"{rounded} of {scanned:,} orders in the last hour"
    if hour.first_sync_scanned:
        value += (
            f"; not counted is the first sync of this table:"
            f" {hour.first_sync_discrepancies:,} of {hour.first_sync_scanned:,} differed"
        )
    grade = Grade.HEALTHY if is_shadow else _grade_of_percent(percent)
    return HealthRow.of(Slug.DISCREPANCY_RATE, value, grade)


def _last_run(hour: LastHour, hosts: MergedHosts) -> HealthRow:
    """Grade the age of the last cycle; before the first, how long a supervisor has been running."""
    if (age := hour.last_run_age_seconds) is not None:
        value = f"{duration_on_same_side(age, _grade_of_last_run)} ago"
        return HealthRow.of(Slug.LAST_RUN, value, _grade_of_last_run(age))
    value = "no cycle has been recorded yet"
    if not hosts.live:
        return HealthRow.of(Slug.LAST_RUN, value, Grade.UNKNOWN)
    age = max(host.age_seconds for host in hosts.live)
    value += f", {duration_on_same_side(age, _grade_of_last_run)} after the start"
    return HealthRow.of(Slug.LAST_RUN, value, _grade_of_last_run(age))


def _stale_rows(vitals: Vitals, hosts: MergedHosts) -> Iterator[HealthRow]:
    age, stale_after = vitals.oldest_stale_age_seconds, vitals.stale_after_seconds
    if age is None or stale_after is None or vitals.stale_orders is None:
        return
    if not vitals.stale_orders:
        yield HealthRow.of(Slug.OLDEST_STALE, "none is stale", Grade.HEALTHY)
        yield HealthRow.of(Slug.BACKLOG, "none is stale", Grade.HEALTHY)
        return
    is_excused = vitals.is_in_first_sync
    yield _oldest_stale(age, vitals.stale_orders, stale_after, is_excused=is_excused)
    yield _backlog(vitals, stale_after, hosts, is_excused=is_excused)


def _oldest_stale(age: float, orders: int, stale_after: float, *, is_excused: bool) -> HealthRow:
    """Grade the age; `is_excused` while the first sync has not reached all of them."""
    shown = duration_on_same_side(age, lambda seconds: _grade_of_age(seconds, stale_after))
    value = f"unsynced for {shown}, of {orders:,} that are after {_stale_time(stale_after)}"
    if is_excused:
        return HealthRow.of(Slug.OLDEST_STALE, value + _FIRST_SYNC, Grade.HEALTHY)
    return HealthRow.of(Slug.OLDEST_STALE, value, _grade_of_age(age, stale_after))


def _stale_time(seconds: float) -> str:
    """Return the setting, which may be less than a second."""
    return duration(seconds) if seconds >= _A_MINUTE else f"{seconds:g} s"


def _grade_of_age(seconds: float, stale_after: float) -> Grade:
    warning, critical = STALE_TIMES
    return grade_from(seconds, warning * stale_after, critical * stale_after)


def _backlog(
    vitals: Vitals, stale_after: float, hosts: MergedHosts, *, is_excused: bool
) -> HealthRow:
    """Compare the backlog with what the budget can do until the same orders are stale again."""
    orders = vitals.stale_orders or 0
    value = f"{orders:,} stale"
    if not hosts.live:
        value += "; no supervisor runs to work them off"
        return HealthRow.of(Slug.BACKLOG, value, Grade.UNKNOWN)
    if (limit := hosts.budget_per_minute) is None:
        return HealthRow.of(Slug.BACKLOG, value, Grade.HEALTHY)
    measured = _orders_and_weight(vitals.last_hour, hosts)
    if measured is None:
        value += "; how many the budget can do is not measured yet"
        return HealthRow.of(Slug.BACKLOG, value, Grade.HEALTHY)
    done, weight, how = measured
    can_do = int(limit * stale_after / 60 * done / weight)
    value += (
        f"; our budget of {limit:,} weight a minute, set by RECONCILIATION_RATE_SHARE,"
        f" can do {can_do:,} in {_stale_time(stale_after)}{how}"
    )
    if is_excused:
        return HealthRow.of(Slug.BACKLOG, value + _FIRST_SYNC, Grade.HEALTHY)
    if orders <= can_do:
        return HealthRow.of(Slug.BACKLOG, value, Grade.HEALTHY)
    needed = ceil(orders * weight / done * 60 / stale_after)
    return HealthRow.of(
        Slug.BACKLOG, f"{value}; {needed:,} weight a minute would be enough", Grade.WARNING
    )


def _orders_and_weight(hour: LastHour, hosts: MergedHosts) -> tuple[int, int, str] | None:
    """Return a number of orders, the weight that they cost, and if that is only planned.

    How far a weight goes depends on how the orders spread over the symbols. So it is taken from the
    last hour's cycles, and while these looked at fewer than `ENOUGH_MEASURED` orders, from the
    plan, which knows only what the requests cost if all goes well.
    """
    if hour.scanned >= ENOUGH_MEASURED and hour.weight:
        return hour.scanned, hour.weight, ""
    planned = sum(host.planned_orders for host in hosts.live)
    weight = sum(host.planned_weight for host in hosts.live)
    return (planned, weight, ", by the plan") if planned and weight else None


def _hold_rows(vitals: Vitals) -> Iterator[HealthRow]:
    held, open_ = vitals.held_orders, vitals.open_orders
    if held is None or open_ is None:
        return
    percent = 100 * held / max(open_, held, 1)
    rounded = percent_on_same_side(percent, _grade_of_held_percent)
    value = f"{held:,} of {open_:,} open orders ({rounded})"
    yield HealthRow.of(Slug.HOLDS, value, _grade_of_held_percent(percent))
    if vitals.oldest_hold_age_seconds is None:
        yield HealthRow.of(Slug.OLDEST_HOLD, "none", Grade.HEALTHY)
        return
    age = vitals.oldest_hold_age_seconds
    value = f"{duration_on_same_side(age, _grade_of_hold)} old"
    yield HealthRow.of(Slug.OLDEST_HOLD, value, _grade_of_hold(age))


def _grade_of_cycle(seconds: float) -> Grade:
    return grade_from(seconds, *CYCLE_SECONDS)


def _grade_of_percent(percent: float) -> Grade:
    warning, critical = DISCREPANCY_RATE
    return grade_from(percent, 100 * warning, 100 * critical)


def _grade_of_last_run(seconds: float) -> Grade:
    return grade_above(seconds, *LAST_RUN_SECONDS)


def _grade_of_held_percent(percent: float) -> Grade:
    warning, critical = HELD_SHARE
    return grade_from(percent, 100 * warning, 100 * critical)


def _grade_of_hold(seconds: float) -> Grade:
    return grade_above(seconds / 3600, *OLDEST_HOLD_HOURS)
