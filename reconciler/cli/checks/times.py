"""Check of stored times: none may be in the future because a wrong clock set it."""

from datetime import timedelta

from sqlalchemy import Connection

from reconciler.cli.checks.preconditions import OUR_TABLES, until_suitable, until_writable
from reconciler.cli.checks.result import CheckResult, passed, skipped, warning
from reconciler.errors import Problem
from reconciler.store.holds import MAX_WAIT, count_far_ahead
from reconciler.store.open_index import CLOCK_TOLERANCE
from reconciler.store.orders_table import read_orders_table
from reconciler.store.stale_statements import count_synced_ahead
from reconciler.store.tables import schema_problems
from reconciler.store.user_table import UserTable

CHECK = "times"


def check_times(connection: Connection, table: UserTable) -> CheckResult:
    """Count the orders and holds whose times are further in the future than is possible."""
    if until := until_writable(connection, table) or until_suitable(connection, table):
        return skipped(CHECK, until)
    if schema_problems(connection, table):
        return skipped(CHECK, OUR_TABLES)
    orders = read_orders_table(connection, table)
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
