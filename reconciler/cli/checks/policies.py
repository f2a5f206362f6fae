"""Check of row-level security: it must not hide rows or refuse our writes."""

from sqlalchemy import Connection

from reconciler.cli.checks.result import CheckResult, passed, result_of, warning
from reconciler.store.privileges import hiding_policies, refusing_policies

CHECK = "policies"


def check_policies(connection: Connection) -> CheckResult:
    """Check the policies of every table that we read or write."""
    if refused := refusing_policies(connection):
        return result_of(CHECK, refused, "")
    if hidden := hiding_policies(connection):
        return warning(CHECK, "rows may be hidden, see below", hidden)
    return passed(CHECK, "every row is visible")
