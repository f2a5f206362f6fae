"""Checks of the database: its answer, its clock, its schema, and our rights in it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, func, select

from reconciler.cli.checks.confirms import check_confirms
from reconciler.cli.checks.policies import check_policies
from reconciler.cli.checks.preconditions import until_readable, until_suitable
from reconciler.cli.checks.programs import check_programs
from reconciler.cli.checks.result import CheckResult, failed, passed, result_of, skipped, warning
from reconciler.cli.checks.times import check_times
from reconciler.cli.checks.writes import check_writes
from reconciler.errors import ConfigurationError, Problem, ReconcilerError, SchemaMismatch
from reconciler.store import migrations
from reconciler.store.columns import read_columns
from reconciler.store.coverage import Coverage, describe_followed
from reconciler.store.coverage_count import measure_coverage
from reconciler.store.database import Database
from reconciler.store.duplicates import MAX_READ, measure_duplicates
from reconciler.store.file_hints import hint_for_words
from reconciler.store.open_index import IndexState, read_index_state
from reconciler.store.orders_table import read_orders_table
from reconciler.store.privileges import missing_privileges
from reconciler.store.suitable_index import find_suitable_index
from reconciler.store.tables import schema_problems
from reconciler.store.user_table import UserTable, quoted
from reconciler.store.vacuum import MIN_BLOCKED_TIME, vacuum_blockers
from reconciler.telemetry.rounding import round_on_same_side

CHECK = "database"
CLOCK_CHECK = "database clock"
MAX_CLOCK_DIFFERENCE = timedelta(seconds=1)

Check = Callable[[Connection, UserTable], CheckResult]


def check_database(
    database: Database, table: UserTable, now: Callable[[], datetime]
) -> Sequence[CheckResult]:
    """Run all checks of the database; `now` is this host's clock, timezone-aware."""
    connected = _run_check(CHECK, database, partial(_connected, database=database))
    if connected.problems:
        return [connected, *skip_database()]
    clock = _run_check(CLOCK_CHECK, database, partial(check_clock, now=now))
    others = (
        _run_check(name, database, partial(_of_table, check, table))
        for name, check in _CHECKS.items()
    )
    return [connected, clock, *others]


def skip_database() -> Sequence[CheckResult]:
    """Return the skipped results of all checks that need an answer from the database."""
    return [skipped(check, "the database answers") for check in (CLOCK_CHECK, *_CHECKS)]


def check_clock(connection: Connection, now: Callable[[], datetime]) -> CheckResult:
    """Compare the clocks: the database's decides which orders are stale, ours dates the logs."""
    before = now()
    theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    ahead = theirs - (before + (now() - before) / 2)
    return clock_result(CLOCK_CHECK, ahead, whose="the database's clock")


def clock_result(check: str, ahead: timedelta, *, whose: str) -> CheckResult:
    """Return a warning if two clocks differ too much; `ahead` is how far theirs is ahead."""
    seconds = ahead.total_seconds()
    direction = "ahead of" if seconds >= 0 else "behind"
    most = MAX_CLOCK_DIFFERENCE.total_seconds()
    shown = round_on_same_side(abs(seconds), 3, lambda difference: difference <= most)
    detail = f"{shown} s {direction} this machine's"
    if abs(ahead) <= MAX_CLOCK_DIFFERENCE:
        return passed(check, detail)
    problem = Problem(
        what=f"{whose} is {detail}: times in logs and tables will not match",
        hint="synchronize both machines' clocks with a time server",
    )
    return warning(check, detail, [problem])


def check_orders(connection: Connection, table: UserTable) -> CheckResult:
    """Check that the application's table is suitable."""
    if until := until_readable(connection, table):
        return skipped("orders", until)
    try:
        orders = read_orders_table(connection, table)
    except SchemaMismatch as error:
        return failed("orders", error)
    absent = [name for name in ("created_at", "updated_at") if name not in orders.optional]
    without = f", without the optional {' and '.join(absent)}" if absent else ""
    unusable = ", ".join(sorted(orders.unusable))
    unused = f", {unusable} of another type or not readable: not compared" if unusable else ""
    return passed("orders", f"{orders.id_type_name} ids{without}{unused}")


def check_open_orders(connection: Connection, table: UserTable) -> CheckResult:
    """Count the open orders that are followed, and the rows that look open but are not."""
    if until := until_readable(connection, table):
        return skipped("open orders", until)
    needed = (*table.columns_of("status"), *table.columns_of("external_order_id"))
    if not set(needed) <= read_columns(connection, table.name).keys():
        return skipped("open orders", f"{table.name} has {' and '.join(map(quoted, needed))}")
    coverage = measure_coverage(connection, table)
    if coverage is None:
        return skipped("open orders", "the table can be counted: it took too long")
    return open_orders_result(coverage)


def open_orders_result(coverage: Coverage) -> CheckResult:
    """Return a problem or a warning if rows that look open are not followed."""
    followed = describe_followed(coverage)
    left_out = coverage.left_out_problem
    problems = [] if left_out is None else [left_out]
    problems += [
        Problem(what=remark, hint=hint)
        for remark, hint in (
            (coverage.remark_on_words, hint_for_words(coverage.likely_open or coverage.unknown)),
            (coverage.remark_on_ids, _ids_hint(coverage)),
        )
        if remark is not None
    ]
    if coverage.has_unknown_words:
        return failed("open orders", ConfigurationError(problems))
    if coverage.lacks_most_ids:
        return warning("open orders", followed, problems)
    without = [problem.what for problem in problems]
    return passed("open orders", "; ".join([followed, *without]))


def _ids_hint(coverage: Coverage) -> str:
    return (
        f"write the exchange's order id into {coverage.id_column} as soon as the exchange has"
        " accepted the order"
    )


def check_duplicates(connection: Connection, table: UserTable) -> CheckResult:
    """Count the open rows that name the same order at the exchange."""
    if until := until_readable(connection, table) or until_suitable(connection, table):
        return skipped("duplicates", until)
    found = measure_duplicates(connection, table)
    if found is None:
        return passed("duplicates", "too many open rows to check in a short time")
    among = f" among {MAX_READ:,} open rows" if found.is_partial else ""
    if not found.rows:
        return passed("duplicates", f"no two open rows name the same order{among}")
    detail = f"{found.rows:,} open rows name {found.orders:,} orders between them{among}"
    named = ", ".join(map(str, found.most))
    problem = Problem(
        what=f"{detail}: {named}; each of them takes the order's fills",
        hint=f"find out which row is the order's, and clear {table.external_order_id} of the"
        " others",
    )
    return warning("duplicates", detail, [problem])


def check_schema(connection: Connection, table: UserTable) -> CheckResult:
    """Check that our tables and the index exist as this version creates them."""
    current, head = migrations.current(connection), migrations.head()
    problems = schema_problems(connection, table)
    if not problems and current != head:
        problems = [
            Problem(
                what=f"our tables are at revision {current or 'none'}, not {head}",
                hint="run: reconciler db upgrade",
            )
        ]
    detail = f"revision {current}, up to date{_describe_index(connection, table)}"
    if not problems and read_index_state(connection, table) is IndexState.UNUSED:
        return warning("schema", detail, [_unused_index(table)])
    return result_of("schema", problems, detail)


def _unused_index(table: UserTable) -> Problem:
    return Problem(
        what=f"PostgreSQL uses none of your indexes on {table.name} for open orders now: each scan"
        " may read all orders",
        hint="run: reconciler db upgrade  (it builds our own)",
    )


def _describe_index(connection: Connection, table: UserTable) -> str:
    """Return by which index open orders are found, if it is not ours."""
    match read_index_state(connection, table):
        case IndexState.REPLACED:
            name = find_suitable_index(connection, table)
            return f"; open orders are found by the index {name}"
        case IndexState.OF_VIEW:
            return f"; {table.name} is a view, which needs no index of ours"
        case _:
            return ""


def check_rights(connection: Connection, table: UserTable) -> CheckResult:
    """Check that our role has the rights that a run needs."""
    return result_of("rights", missing_privileges(connection, table), "all that are needed")


def check_vacuum(connection: Connection, min_time: timedelta = MIN_BLOCKED_TIME) -> CheckResult:
    """Check whether anything keeps vacuum from removing dead rows."""
    if problems := vacuum_blockers(connection, min_time=min_time):
        return warning("vacuum", "held back, see below", problems)
    return passed("vacuum", "nothing holds it back")


_CHECKS: Mapping[str, Check] = {
    "orders": check_orders,
    "open orders": check_open_orders,
    "duplicates": check_duplicates,
    "schema": check_schema,
    "rights": check_rights,
    "policies": check_policies,
    "programs": check_programs,
    "times": check_times,
    "writes": check_writes,
    "confirms": check_confirms,
    "vacuum": lambda connection, _table: check_vacuum(connection),
}
_IN_TRANSACTION = frozenset({"open orders", "duplicates", "programs", "writes"})
"""These checks limit the time of their statements, which is set for a transaction."""


def _connected(connection: Connection, database: Database) -> CheckResult:
    version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    return passed(CHECK, f"PostgreSQL {version} at {database.address}")


def _of_table(check: Check, table: UserTable, connection: Connection) -> CheckResult:
    return check(connection, table)


def _run_check(
    name: str, database: Database, check: Callable[[Connection], CheckResult]
) -> CheckResult:
    begin = database.transaction if name in _IN_TRANSACTION else database.autocommit
    try:
        with begin() as connection:
            return check(connection)
    except ReconcilerError as error:
        return failed(name, error)
