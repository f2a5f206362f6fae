"""Check of row-level security: it must not hide rows or refuse our writes."""

from sqlalchemy import Connection

from reconciler.cli.checks.result import CheckResult, passed, result_of, warning
from reconciler.store.privileges import hiding_policies, refusing_policies
from reconciler.store.user_table import UserTable

CHECK = "policies"


def check_policies(connection: Connection, table: UserTable) -> CheckResult:
    """Check the policies of every table that we read or write."""
    if refused := refusing_policies(connection, table):
        return result_of(CHECK, refused, "")
    if hidden := hiding_policies(connection, table):
        return warning(CHECK, "rows may be hidden, see below", hidden)
    return passed(CHECK, "every row is visible")
