"""The verdict: the worst row. The limits are at the rows, in `order_rows` and `host_rows`.

    row                                  healthy      warning        critical
    breakers                             all closed   any half-open  any open
    slowest cycle of the last hour       < 10 s       10-30 s        > 30 s
    discrepancies of the last hour       < 1 %        1-5 %          > 5 %
    errors in the last hour              < 5          5-20           > 20
    last run                             <= 60 s ago  60-300 s       > 300 s
    oldest stale order                   < 2 x stale  2-6 x stale    > 6 x stale
    backlog, in the stale time           can be done  cannot
    open orders on hold                  < 1 %        1-10 %         > 10 %
    oldest hold                          <= 1 h old   1-24 h         > 24 h
    rate-limit pause                     <= 60 s      > 60 s
    halt                                 off                         on
    refused accounts                     none         some           all
    parked shards                        none         some           all
    database                             answers      away           refuses
    exchange                             no fault     a fault        with an open breaker
    supervisors gone without a stop      none         another runs   none runs

During a table's first sync any order may differ, so that sync is reported separately and excluded
from the discrepancy rate. The first sync is the first sweep that saw any order: it is over at the
latest `FIRST_SYNC_HOURS` after its beginning, and never comes again. While there are stale orders
that it has not reached, the backlog and the age of the oldest stale order are no alarm either.

Every row is there if its value is known, and has the grade `unknown` if a supervisor should have
said it. If not even the last run is known, the verdict is `unknown`, unless a row is bad.
"""

from dataclasses import dataclass

from reconciler.telemetry.health.causes import reasons_of
from reconciler.telemetry.health.host_rows import host_rows
from reconciler.telemetry.health.merge import merge_hosts
from reconciler.telemetry.health.order_rows import order_rows
from reconciler.telemetry.health.rows import Grade, HealthRow, Slug
from reconciler.telemetry.health.vitals import Vitals

FIRST_SYNC_HOURS = 24
"""Cycles that begin more than this many hours after the first do not belong to the first sync."""

_ORDER = list(Slug)


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthVerdict:
    """The worst row's grade, and all rows."""

    status: Grade
    rows: tuple[HealthRow, ...]

    @property
    def reasons(self) -> tuple[HealthRow, ...]:
        """The rows to name, causes first: those that made the verdict, and causes that are bad."""
        return reasons_of(self.status, self.rows)


def judge(vitals: Vitals) -> HealthVerdict:
    """Return the verdict."""
    hosts = merge_hosts(vitals.hosts)
    rows = [*order_rows(vitals, hosts), *host_rows(hosts)]
    if vitals.is_shadow:
        rows.append(HealthRow.of(Slug.MODE, "shadow: nothing is written", Grade.HEALTHY))
    rows.sort(key=lambda row: _ORDER.index(row.slug))
    grades = {row.slug: row.grade for row in rows}
    found = set(grades.values())
    good = Grade.UNKNOWN if grades[Slug.LAST_RUN] is Grade.UNKNOWN else Grade.HEALTHY
    worst = next((grade for grade in (Grade.CRITICAL, Grade.WARNING) if grade in found), good)
    return HealthVerdict(status=worst, rows=tuple(rows))
