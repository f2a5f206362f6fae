"""Check of the cost of a confirm: most looks at an order find it right, and write only that."""

from sqlalchemy import Connection

from reconciler.cli.checks.preconditions import until_readable, until_suitable
from reconciler.cli.checks.result import CheckResult, passed, skipped, warning
from reconciler.errors import Problem
from reconciler.store.confirm_cost import HOT_BYTES, ConfirmCost, read_confirm_cost
from reconciler.store.orders_table import read_orders_table
from reconciler.store.row_versions import row_version_problems
from reconciler.store.user_table import UserTable

CHECK = "confirms"


def check_confirms(connection: Connection, table: UserTable) -> CheckResult:
    """Tell what a confirm costs on this table, and what would make it cheaper."""
    if until := until_readable(connection, table) or until_suitable(connection, table):
        return skipped(CHECK, until)
    orders = read_orders_table(connection, table)
    detail = _WITH_SIDE_TABLE.format(table=table.name)
    problems = list[Problem]()
    if orders.side_table is None:
        cost = read_confirm_cost(connection, table)
        detail = _describe(cost)
        problems = [_of_index(cost, table, name) for name in cost.synced_indexes]
    problems += row_version_problems(connection, table)
    return warning(CHECK, detail, problems) if problems else passed(CHECK, detail)


_WITH_SIDE_TABLE = "a confirm writes no row and no index of {table}, only our side table"


def confirm_detail(connection: Connection, table: UserTable) -> str:
    """Tell what a confirm will cost on a table that nothing of ours has been made for yet."""
    if table.uses_side_table:
        return _WITH_SIDE_TABLE.format(table=table.name)
    return _describe(read_confirm_cost(connection, table))


def _describe(cost: ConfirmCost) -> str:
    """Return the estimated cost, from the catalogs: nothing is measured here."""
    if cost.synced_indexes:
        return (
            f"a confirm writes about {cost.bytes_if_not_hot:,} bytes of log and"
            f" {cost.indexes} indexes"
        )
    hot = f"a confirm writes about {HOT_BYTES} bytes of log and no index"
    if not cost.tables_without_room:
        return f"{hot} (HOT)"
    table, *others = cost.tables_without_room
    more = f" and {len(others)} more partitions" if others else ""
    return (
        f"{hot} (HOT) where its page has room, else about {cost.bytes_if_not_hot:,}; give new pages"
        f" of {table}{more} room: ALTER TABLE {table} SET (fillfactor = 90)"
    )


def _of_index(cost: ConfirmCost, table: UserTable, name: str) -> Problem:
    return Problem(
        what=f"index {name} has {table.last_synced_at}: no confirm can be HOT, and each writes all"
        f" {cost.indexes} indexes of the table, about {cost.bytes_if_not_hot:,} bytes of log"
        f" instead of {HOT_BYTES}",
        hint=f"if none of your queries needs it, run: DROP INDEX CONCURRENTLY {name}; else keep the"
        " sync times in a table of ours: reconciler db upgrade --side-table",
    )
