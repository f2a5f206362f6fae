"""Check of stored times: none may be in the future because a wrong clock set it."""

from datetime import timedelta

from sqlalchemy import Connection

from reconciler.cli.checks.result import CheckResult, passed, skipped, warning
from reconciler.errors import Problem, SchemaMismatch
from reconciler.store.holds import MAX_WAIT, count_far_ahead
from reconciler.store.open_index import CLOCK_TOLERANCE
from reconciler.store.orders_table import read_orders_table
from reconciler.store.privileges import missing_privileges, missing_read_privileges
from reconciler.store.stale_statements import count_synced_ahead
from reconciler.store.tables import schema_problems
from reconciler.store.user_table import UserTable

CHECK = "times"


def check_times(connection: Connection, table: UserTable) -> CheckResult:
    """Count the orders and holds whose times are further in the future than is possible."""
    if missing_read_privileges(connection, table) or missing_privileges(connection, table):
        return skipped(CHECK, "the rights are granted")
    try:
        orders = read_orders_table(connection, table)
    except SchemaMismatch:
        return skipped(CHECK, f"{table.name} is suitable")
    if schema_problems(connection, table):
        return skipped(CHECK, "our tables are there")
    synced, held = count_synced_ahead(connection, orders), count_far_ahead(connection, table.scope)
    name = table.last_synced_at or "last_synced_at"
    orders_ahead = (
        f"{synced:,} open orders have a {name} more than {_minutes(CLOCK_TOLERANCE)} min"
        " from now: they are reconciled like stale orders"
    )
    holds_ahead = (
        f"{held:,} holds have a next_attempt_at more than {_minutes(MAX_WAIT)} min from now:"
        " their orders are tried in the next sweep"
    )
    problems = [
        Problem(what=what, hint="synchronize the clocks of your hosts with a time server")
        for count, what in ((synced, orders_ahead), (held, holds_ahead))
        if count
    ]
    if problems:
        return warning(CHECK, "some are in the future, see below", problems)
    return passed(CHECK, "none is in the future")


def _minutes(time: timedelta) -> int:
    return time // timedelta(minutes=1)
