"""The gauges of the work: what waits, what limits it, how healthy it is, and a shadow's."""

import math
import time
from collections.abc import Callable

from reconciler.resilience.rate_limits import RateLimits
from reconciler.telemetry.health import Grade, HealthVerdict, Slug
from reconciler.telemetry.metrics import Gauge, Metrics, health_row
from reconciler.telemetry.shadow import ShadowFigures
from reconciler.workload import Backlog

RECENT_SECONDS = 60.0
"""After this long without a measurement nothing is known of the backlog but that it grows older."""

_GRADES = {Grade.HEALTHY: 0, Grade.WARNING: 1, Grade.CRITICAL: 2, Grade.UNKNOWN: 3}


class BacklogGauges:
    """Sends what waits, as last measured, at each interval."""

    def __init__(self, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        self._last: Backlog | None = None
        self._measured_at = 0.0

    def record(self, backlog: Backlog) -> None:
        """Record what was measured now."""
        self._last = backlog
        self._measured_at = self._monotonic()

    def send(self) -> None:
        """Send what waits. While the database is away only the age of the oldest is known."""
        backlog, age_seconds = self._last, self._monotonic() - self._measured_at
        if backlog is None:
            return
        if age_seconds > RECENT_SECONDS:
            oldest = backlog.oldest_age_seconds + age_seconds if backlog.items else 0
            self._metrics.gauge(Gauge.STALE_OLDEST_AGE_SECONDS, oldest)
            return
        self._metrics.gauge(Gauge.STALE_BACKLOG, backlog.items)
        self._metrics.gauge(Gauge.STALE_OLDEST_AGE_SECONDS, backlog.oldest_age_seconds)
        self._metrics.gauge(Gauge.ORDERS_NOT_FOLLOWED, backlog.unfollowed_items)
        self._metrics.gauge(Gauge.ORDERS_DUPLICATES, backlog.duplicate_items)
        self._metrics.gauge(Gauge.HOLDS_OPEN, backlog.held_items or 0)
        self._metrics.gauge(Gauge.HOLDS_OLDEST_AGE_SECONDS, backlog.oldest_hold_age_seconds or 0)


def send_limit_gauges(
    metrics: Metrics, limits: RateLimits, *, is_halted: bool, parked_accounts: int
) -> None:
    """Send what limits the work: the rate budget and its pause, the halt, accounts that wait.

    Of several limits the tightest is sent.
    """
    tightest = limits.tightest
    metrics.gauge(Gauge.BUDGET_USED, 0 if tightest is None else round(tightest.used))
    if tightest is not None:
        metrics.gauge(Gauge.BUDGET_LIMIT, math.floor(tightest.allowed))
    metrics.gauge(Gauge.BUDGET_PAUSE_SECONDS, limits.paused_seconds)
    metrics.gauge(Gauge.HALT_ACTIVE, int(is_halted))
    metrics.gauge(Gauge.ACCOUNTS_PARKED, parked_accounts)


def send_health_gauges(metrics: Metrics, verdict: HealthVerdict) -> None:
    """Send the verdict and the grade of each row; 0 for a row that the verdict does not have.

    Otherwise the gauge of a row would keep its last grade, when nothing is wrong any more.
    """
    metrics.gauge(Gauge.HEALTH_VERDICT, _GRADES[verdict.status])
    grades = {row.slug: _GRADES[row.grade] for row in verdict.rows}
    for slug in Slug:
        metrics.gauge(health_row(slug), grades.get(slug, 0))


def send_shadow_gauges(metrics: Metrics, figures: ShadowFigures | None) -> None:
    """Send whether this is a shadow, and how many changes rows still wait for."""
    metrics.gauge(Gauge.SHADOW_ACTIVE, int(figures is not None))
    metrics.gauge(Gauge.SHADOW_NOT_YET, 0 if figures is None else figures.changes.not_yet)
