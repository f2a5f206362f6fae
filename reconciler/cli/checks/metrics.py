"""Check of where the metrics go: the settings are usable, and something listens there."""

from collections.abc import Collection

from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.error_hints import problems_of
from reconciler.errors import ConfigurationError, Problem, StatsdUnavailable
from reconciler.settings import Settings
from reconciler.statsd_target import scopes_with_the_same_names
from reconciler.telemetry.statsd_probe import find_fault

CHECK = "statsd"


def check_statsd(settings: Settings, scopes: Collection[str] = ()) -> CheckResult:
    """Check the settings; resolve the host's name; send an empty packet, which may be refused.

    `scopes` are those of the programs over this database, as far as they are known. What is wrong
    stops a run only if metrics are required; names that another program has too never do.
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
        return _check_names(settings, scopes)
    error = StatsdUnavailable(f"no metrics would be sent: {fault}")
    if settings.statsd_required:
        return failed(CHECK, error)
    return warning(CHECK, "see below", problems_of(error))


def _check_names(settings: Settings, scopes: Collection[str]) -> CheckResult:
    target, scope = settings.statsd, settings.scope
    others = scopes_with_the_same_names(scope, scopes)
    if not others:
        return passed(CHECK, f"{target.host}:{target.port}, names begin with {target.prefix}")
    named = " and ".join(repr(it) for it in others)
    problem = Problem(
        what=f"the metrics of the scopes {scope!r} and {named} have the same names,"
        f" {target.prefix}...: each overwrites the other's gauges",
        hint="give one of these programs another scope or another STATSD_PREFIX: in names, only the"
        " letters, digits, - and _ of a scope are kept",
    )
    return warning(CHECK, "see below", [problem])


def skip_statsd() -> CheckResult:
    """Return the skipped result, because the settings are wrong."""
    return skipped(CHECK, "the STATSD_ settings are valid")
