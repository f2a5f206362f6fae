"""Check of where the metrics go: the settings are usable, and something listens there."""

from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.error_hints import problems_of
from reconciler.errors import ConfigurationError, StatsdUnavailable
from reconciler.settings import Settings
from reconciler.telemetry.statsd_probe import find_fault

CHECK = "statsd"


def check_statsd(settings: Settings) -> CheckResult:
    """Check the settings; resolve the host's name; send an empty packet, which may be refused.

    What is wrong stops a run only if metrics are required.
    """
    target = settings.statsd
    if problems := settings.statsd_problems:
        if settings.statsd_required:
            return failed(CHECK, ConfigurationError(problems))
        return warning(CHECK, "see below", problems)
    if target.host is None:
        return passed(CHECK, "off: STATSD_HOST is not set")
    fault = find_fault(target)
    if fault is None:
        return passed(CHECK, f"{target.host}:{target.port}, names begin with {target.prefix}")
    error = StatsdUnavailable(f"no metrics would be sent: {fault}")
    if settings.statsd_required:
        return failed(CHECK, error)
    return warning(CHECK, "see below", problems_of(error))


def skip_statsd() -> CheckResult:
    """Return the skipped result, because the settings are wrong."""
    return skipped(CHECK, "the STATSD_ settings are valid")
