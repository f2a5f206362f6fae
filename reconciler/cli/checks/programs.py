"""Check of the other programs over the same table: none may follow an order of this one."""

from sqlalchemy import Connection

from reconciler.cli.checks.preconditions import OUR_TABLES, until_writable
from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.errors import ConfigurationError
from reconciler.store.shared_orders import find_overlaps
from reconciler.store.tables import schema_problems
from reconciler.store.user_table import UserTable

CHECK = "programs"


def check_programs(connection: Connection, table: UserTable) -> CheckResult:
    """Count the open orders that are in the filter of this program, and of another one too.

    `connection` is in a transaction.
    """
    if until := until_writable(connection, table):
        return skipped(CHECK, until)
    if schema_problems(connection, table):
        return skipped(CHECK, OUR_TABLES)
    overlaps = find_overlaps(connection, table)
    problems = [overlap.problem for overlap in overlaps if overlap.problem is not None]
    if any(overlap.orders for overlap in overlaps):
        return failed(CHECK, ConfigurationError(problems))
    if problems:
        return warning(CHECK, "not all can be compared, see below", problems)
    if not overlaps:
        return passed(CHECK, "no other over this table")
    named = ", ".join(overlap.program for overlap in overlaps)
    return passed(CHECK, f"no open order is followed by {named} too")
