"""Check of the metrics host: its name must resolve."""

import socket

from reconciler.cli.checks.result import CheckResult, passed, skipped, warning
from reconciler.errors import Problem
from reconciler.settings import StatsdTarget

CHECK = "statsd"


def check_statsd(target: StatsdTarget) -> CheckResult:
    """Resolve the host's name. UDP does not tell whether anything listens there."""
    if target.host is None:
        return passed(CHECK, "off: STATSD_HOST is not set")
    try:
        socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        problem = Problem(
            what=f"STATSD_HOST {target.host!r} cannot be found ({error}): no metrics would be sent",
            hint="set STATSD_HOST to a name that resolves, or unset it",
        )
        return warning(CHECK, "see below", [problem])
    return passed(CHECK, f"{target.host}:{target.port}, names begin with {target.prefix}")


def skip_statsd() -> CheckResult:
    """Return the skipped result, because the settings are wrong."""
    return skipped(CHECK, "the STATSD_ settings are valid")
