"""The gauges of the work: what waits for it, and what a shadow has found."""

from reconciler.telemetry.metrics import Gauge, Metrics
from reconciler.telemetry.shadow import ShadowFigures
from reconciler.workload import Backlog


def send_backlog_gauges(metrics: Metrics, backlog: Backlog) -> None:
    """Send what waits."""
    metrics.gauge(Gauge.STALE_BACKLOG, backlog.items)
    metrics.gauge(Gauge.STALE_OLDEST_AGE_SECONDS, backlog.oldest_age_seconds)
    metrics.gauge(Gauge.ORDERS_NOT_FOLLOWED, backlog.unfollowed_items)
    metrics.gauge(Gauge.ORDERS_DUPLICATES, backlog.duplicate_items)
    metrics.gauge(Gauge.HOLDS_OPEN, backlog.held_items or 0)
    metrics.gauge(Gauge.HOLDS_OLDEST_AGE_SECONDS, backlog.oldest_hold_age_seconds or 0)


def send_shadow_gauges(metrics: Metrics, figures: ShadowFigures | None) -> None:
    """Send whether this is a shadow, and how many changes rows still wait for."""
    metrics.gauge(Gauge.SHADOW_ACTIVE, int(figures is not None))
    metrics.gauge(Gauge.SHADOW_NOT_YET, 0 if figures is None else figures.changes.not_yet)
