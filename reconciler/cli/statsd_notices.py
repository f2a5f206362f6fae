"""What is wrong with the settings of the metrics, said before a run begins to work."""

import structlog

from reconciler.errors import ConfigurationError, StatsdUnavailable
from reconciler.settings import Settings
from reconciler.telemetry.statsd_probe import find_fault

log = structlog.get_logger(__name__)


def require_or_warn_of_statsd(settings: Settings) -> None:
    """Log what is wrong with the settings of the metrics: the work goes on without them.

    Raises:
        ConfigurationError: metrics are required, and a setting is wrong.
        StatsdUnavailable: metrics are required, and nothing takes them.
    """
    if settings.statsd_required:
        if settings.statsd_problems:
            raise ConfigurationError(settings.statsd_problems)
        if (fault := find_fault(settings.statsd)) is not None:
            raise StatsdUnavailable(f"STATSD_REQUIRED is set, and no metrics can be sent: {fault}")
    for problem in settings.statsd_problems:
        if settings.statsd.host is None:
            log.warning(
                "metrics.off", reason=problem.what, host=settings.statsd_host, hint=problem.hint
            )
        else:
            log.warning("metrics.prefix_changed", reason=problem.what, hint=problem.hint)
