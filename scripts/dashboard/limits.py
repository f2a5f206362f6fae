"""Warning and critical, as the verdict has them: no number is written twice."""

from dataclasses import dataclass

from reconciler.settings import Settings
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.telemetry.health.host_rows import PAUSE_SECONDS
from reconciler.telemetry.health.order_rows import (
    CYCLE_SECONDS,
    DISCREPANCY_RATE,
    ERRORS,
    HELD_SHARE,
    LAST_RUN_SECONDS,
    OLDEST_HOLD_HOURS,
    STALE_TIMES,
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where a value is a warning, and from where it is critical. None: it never is."""

    warning: float | None = None
    critical: float | None = None


def _scaled(limits: tuple[float, float], factor: float) -> Limits:
    return Limits(warning=limits[0] * factor, critical=limits[1] * factor)


CYCLE_MS = _scaled(CYCLE_SECONDS, 1000)
DISCREPANCY_PERCENT = _scaled(DISCREPANCY_RATE, 100)
HELD_PERCENT = _scaled(HELD_SHARE, 100)
ERRORS_AN_HOUR = _scaled(ERRORS, 1)
LAST_RUN = _scaled(LAST_RUN_SECONDS, 1)
OLDEST_HOLD_SECONDS = _scaled(OLDEST_HOLD_HOURS, 3600)
STALE = _scaled(STALE_TIMES, 1)
PAUSE = Limits(warning=PAUSE_SECONDS)

GRADE = Limits(warning=1, critical=2)
ANY_IS_CRITICAL = Limits(critical=1)
ANY_IS_WARNING = Limits(warning=1)


def _default(field: str) -> float:
    return float(Settings.model_fields[field].default)


STALE_SECONDS = 60 * _default("stale_minutes")
"""The time after which an order is stale, where RECONCILIATION_STALE_MINUTES is not set."""

BATCH_ORDERS = _default("batch_size")
RESTARTS = RestartPolicy().most
"""With more deaths of its workers than this within a minute, a shard is parked."""
