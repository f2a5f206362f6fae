"""`check` says what a confirm costs on this table, and which index makes it expensive."""

import json
from pathlib import Path

import pytest

from reconciler.cli.checks.confirms import check_confirms
from reconciler.cli.checks.result import CheckResult, CheckStatus
from reconciler.store.confirm_cost import HOT_BYTES
from reconciler.store.database import Database
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import Application

DOCS = Path(__file__).parents[2] / "docs"
MEASURED = DOCS / "explanation" / "performance" / "steady-state.json"


def check(database: Database) -> CheckResult:
    with database.autocommit() as connection:
        return check_confirms(connection, DEFAULT_TABLE)


def test_a_table_with_full_pages_gets_the_advice_to_leave_room(database: Database) -> None:
    result = check(database)

    assert result.status is CheckStatus.OK
    assert result.detail == (
        "a confirm writes about 210 bytes of log and no index (HOT) where its page has room, else"
        " about 390; give new pages of orders room: ALTER TABLE orders SET (fillfactor = 90)"
    )


def test_the_advice_can_be_followed(application: Application, database: Database) -> None:
    application.execute(check(database).detail.rpartition("room: ")[2].encode())

    assert check(database).detail == "a confirm writes about 210 bytes of log and no index (HOT)"


@pytest.mark.parametrize(
    "index",
    [
        "theirs ON orders (last_synced_at)",
        "theirs ON orders (symbol) INCLUDE (last_synced_at)",
        "theirs ON orders ((coalesce(last_synced_at, created_at)))",
        "theirs ON orders (symbol) WHERE last_synced_at IS NULL",
    ],
    ids=["a key", "an included column", "an expression", "a predicate"],
)
def test_an_index_that_makes_every_confirm_expensive_is_named(
    index: str, application: Application, database: Database
) -> None:
    application.execute(f"CREATE INDEX {index}")

    result = check(database)

    (problem,) = result.problems
    assert result.status is CheckStatus.WARNING
    assert problem.what.startswith("index theirs has last_synced_at: no confirm can be HOT")
    assert "all 3 indexes" in problem.what
    application.execute(problem.hint.partition("run: ")[2].partition(";")[0].encode())
    assert check(database).problems == ()


def test_an_index_on_other_columns_is_no_problem(
    application: Application, database: Database
) -> None:
    application.execute("CREATE INDEX ON orders (created_at) WHERE status = 'new'")

    assert check(database).problems == ()


def test_of_a_partitioned_index_only_the_topmost_is_named(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(
        "CREATE TABLE orders (id bigint PRIMARY KEY, symbol text, external_order_id text, status"
        " text, executed_qty numeric, avg_price numeric, last_synced_at timestamptz)"
        " PARTITION BY RANGE (id);"
        'CREATE TABLE "Part 1" PARTITION OF orders FOR VALUES FROM (0) TO (1000);'
        "CREATE TABLE part_2 PARTITION OF orders FOR VALUES FROM (1000) TO (2000)"
        " WITH (fillfactor = 90);"
        "CREATE INDEX theirs ON orders (last_synced_at);"
        "CREATE INDEX alone ON part_2 (last_synced_at DESC)"
    )

    result = check(empty_database)

    assert [problem.what.split()[1] for problem in result.problems] == ["alone", "theirs"]
    owner.execute("DROP INDEX alone; DROP INDEX theirs")
    assert check(empty_database).detail.endswith('ALTER TABLE "Part 1" SET (fillfactor = 90)')


def test_with_a_side_table_no_index_of_orders_matters(
    application: Application, database: Database
) -> None:
    application.execute("CREATE INDEX theirs ON orders (last_synced_at)")
    application.execute(
        "CREATE TABLE reconciliation_sync (order_id bigint PRIMARY KEY, last_synced_at timestamptz"
        " NOT NULL)"
    )

    result = check(database)

    assert result.status is CheckStatus.OK
    assert result.detail == "a confirm writes no row and no index of orders, only our side table"


@pytest.mark.usefixtures("clerk_role")
def test_a_role_without_the_row_version_learns_what_it_costs(
    application: Application, database: Database
) -> None:
    application.execute(
        "GRANT SELECT (id, symbol, external_order_id, status, executed_qty, avg_price,"
        " last_synced_at, created_at, updated_at) ON orders TO clerk;"
        "GRANT SELECT ON activity_log, reconciliation_holds, reconciliation_state,"
        " reconciliation_cycles TO clerk"
    )

    with database.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE clerk")
        result = check_confirms(connection, DEFAULT_TABLE)

    (problem,) = result.problems
    assert "xmin" in problem.what
    assert "GRANT SELECT ON orders" in problem.hint


def test_the_log_of_a_confirm_is_everywhere_the_one_that_was_measured() -> None:
    (comparison,) = json.loads(MEASURED.read_text("utf-8"))["comparisons"]
    measured = {figure["name"]: figure["median"] for figure in comparison["figures"]}
    usual = measured["log of a confirm, 1 of 5 open, fillfactor 90"]
    page = (DOCS / "how-to" / "connect-your-database.md").read_text("utf-8")

    assert round(usual, -1) == HOT_BYTES
    for fillfactor in (90, 100):
        log = round(measured[f"log of a confirm, 1 of 5 open, fillfactor {fillfactor}"])
        hot = float(f"{measured[f'HOT confirms, 1 of 5 open, fillfactor {fillfactor}']:.3g}")
        assert f"| {fillfactor} | {hot:g} % | {log} bytes |" in page
    aside = round(measured["log of a confirm, 1 of 5 open, fillfactor 90, side table"])
    assert f"writes {aside} bytes of log instead of {round(usual)}," in page
