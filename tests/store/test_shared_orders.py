"""Programs over one table are compared by the filters that they have recorded."""

from collections.abc import Sequence

import pytest
from psycopg.types.json import Jsonb

from reconciler.cli.checks.programs import check_programs
from reconciler.cli.checks.result import CheckResult, CheckStatus
from reconciler.config_file.orders import OrdersConfig
from reconciler.scope import Scope
from reconciler.store import shared_state
from reconciler.store.cycles import record_cycle
from reconciler.store.database import Database
from reconciler.store.shared_orders import Overlap, find_overlaps
from reconciler.store.user_table import UserTable

from .builders import Application, insert_order, now_of
from .test_cycles import a_cycle

OURS = "symbol = 'BTCUSDT'"


def a_table(scope: str | None = "here", where: str | None = OURS) -> UserTable:
    return UserTable(OrdersConfig(scope=scope, where=where))


def record(database: Database, scope: str, where: str | None, table: str = "orders") -> None:
    with database.transaction() as connection:
        shared_state.record_filter(connection, Scope(scope), table=table, where=where)


def overlaps_of(database: Database, table: UserTable) -> Sequence[Overlap]:
    with database.transaction() as connection:
        return find_overlaps(connection, table)


def checked(database: Database, table: UserTable) -> CheckResult:
    with database.transaction() as connection:
        return check_programs(connection, table)


@pytest.fixture(autouse=True)
def orders(application: Application) -> None:
    """Two open orders that are ours, one that is not, and one that has ended."""
    for id_, symbol, status in (
        (1, "BTCUSDT", "new"),
        (2, "BTCUSDT", "partial"),
        (3, "ETHUSDT", "new"),
        (4, "BTCUSDT", "filled"),
    ):
        insert_order(application, id_, symbol=symbol, status=status)


@pytest.mark.parametrize(
    ("where", "shared"),
    [
        ("symbol <> 'BTCUSDT'", ()),
        ("symbol = 'ETHUSDT' OR id = 2", ("2",)),
        ("symbol LIKE 'BTC%' AND id > 0", ("1", "2")),
        (None, ("1", "2")),
    ],
)
def test_open_orders_of_two_filters_are_counted_and_named(
    where: str | None, shared: tuple[str, ...], database: Database
) -> None:
    record(database, "there", where)

    (overlap,) = overlaps_of(database, a_table())

    assert (overlap.orders, overlap.unknown) == (len(shared), None)
    assert tuple(sorted(overlap.examples)) == shared


def test_a_program_without_a_scope_overlaps_with_all_others(database: Database) -> None:
    record(database, "", None)
    record(database, "there", "id = 1")

    unscoped = overlaps_of(database, a_table(None, None))
    scoped = overlaps_of(database, a_table())

    assert [(one.scope, one.orders) for one in unscoped] == [("there", 1)]
    assert [(one.scope, one.orders) for one in scoped] == [("", 2), ("there", 1)]


def test_check_says_which_program_follows_the_same_orders_and_how_to_forget_it(
    database: Database,
) -> None:
    record(database, "there", "id = 2")

    result = checked(database, a_table())

    (problem,) = result.problems
    assert (result.status, result.exit_code) == (CheckStatus.PROBLEM, 78)
    assert problem.what.startswith("1 open orders are followed by the program there too, such as 2")
    with database.transaction() as connection:
        connection.exec_driver_sql(problem.hint.partition("run: ")[2])
    assert checked(database, a_table()).detail == "no other over this table"


def test_check_passes_if_no_order_is_in_two_filters(database: Database) -> None:
    record(database, "there", "symbol = 'ETHUSDT'")
    record(database, "here", "symbol = 'what this program had before'")

    result = checked(database, a_table())

    assert result.status is CheckStatus.OK
    assert result.detail == "no open order is followed by the program there too"


@pytest.mark.parametrize(
    "where",
    ["no_such_column = 1", "(", "1/0 = id", "id = 1; DROP TABLE orders", "nextval('counter') > 0"],
)
def test_a_filter_that_does_not_work_any_more_is_named_and_changes_nothing(
    where: str, application: Application, database: Database
) -> None:
    application.execute("CREATE SEQUENCE counter")
    record(database, "broken", where)
    record(database, "there", "id = 1")

    result = checked(database, a_table())

    assert [problem.what.partition(":")[0] for problem in result.problems] == [
        "whether the program broken follows orders of this one is not known",
        "1 open orders are followed by the program there too, such as 1",
    ]
    assert application.execute("SELECT is_called FROM counter").fetchall() == [{"is_called": False}]


def test_a_filter_that_does_not_work_any_more_is_a_warning_alone(database: Database) -> None:
    record(database, "broken", "no_such_column = 1")

    result = checked(database, a_table())

    assert (result.status, result.exit_code) == (CheckStatus.WARNING, 0)


def test_a_program_is_forgotten_a_day_after_its_last_cycle_and_never_before(
    application: Application, database: Database
) -> None:
    for scope in ("gone", "working"):
        record(database, scope, None)
    application.execute("UPDATE reconciliation_state SET changed_at = now() - interval '25 hours'")
    cycle = a_cycle(now_of(database))
    with database.transaction() as connection:
        record_cycle(connection, Scope("working"), cycle)

    assert [one.scope for one in overlaps_of(database, a_table())] == ["working"]


@pytest.mark.parametrize("table", ["other_orders", "no_such_table"])
def test_a_program_over_another_table_is_not_compared(
    table: str, application: Application, database: Database
) -> None:
    application.execute("CREATE TABLE other_orders (LIKE orders)")
    record(database, "elsewhere", None, table)
    record(database, "same", None, "public.orders")

    assert [one.scope for one in overlaps_of(database, a_table())] == ["same"]


@pytest.mark.parametrize("value", [None, "text", [1], {"table": 7}, {"where": "x"}])
def test_a_record_that_a_person_has_spoilt_is_skipped(
    value: object, application: Application, database: Database
) -> None:
    application.execute(
        "INSERT INTO reconciliation_state (scope, key, value, changed_at, changed_by)"
        " VALUES ('odd', 'filter', %s, now(), 'Ada')",
        [Jsonb(value)],
    )

    assert overlaps_of(database, a_table()) == ()
