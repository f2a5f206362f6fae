"""Is there a machine of the name that metrics are sent to?"""

import socket

from reconciler.cli.checks.result import CheckResult, passed, skipped, warning
from reconciler.errors import Problem
from reconciler.settings import StatsdTarget

CHECK = "statsd"


def check_statsd(target: StatsdTarget) -> CheckResult:
    """Look the name up. Whether anybody listens there UDP does not tell."""
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
    """Return the finding where the settings do not fit."""
    return skipped(CHECK, "the STATSD_ settings fit")
