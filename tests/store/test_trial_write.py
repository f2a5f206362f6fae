"""`check` tries to lock and write an order, undoes it, and explains what was refused."""

import pytest

from reconciler.cli.checks.database import check_orders
from reconciler.cli.checks.result import CheckResult, CheckStatus
from reconciler.cli.checks.writes import check_writes
from reconciler.store.database import Database
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import Application, insert_order, read_row

TRIGGER = """
    CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
    CREATE TRIGGER take INSTEAD OF UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION take();
"""
REFUSE = """
    CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE 'closed today'; END $$;
    CREATE TRIGGER no BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION no();
"""
PLAIN = """
    ALTER TABLE orders RENAME TO base;
    CREATE VIEW orders AS SELECT * FROM base;
"""
DISTINCT = """
    ALTER TABLE orders RENAME TO base;
    CREATE VIEW orders AS SELECT DISTINCT * FROM base;
"""
JOINED = """
    ALTER TABLE orders RENAME TO base;
    CREATE VIEW orders AS SELECT b.* FROM base b JOIN fees f ON f.id = b.id;
"""


def check(database: Database) -> CheckResult:
    with database.transaction() as connection:
        return check_writes(connection, DEFAULT_TABLE)


@pytest.fixture(autouse=True)
def _an_order(application: Application) -> None:
    insert_order(application, 1)
    application.execute("CREATE TABLE fees AS SELECT 1::bigint AS id")


@pytest.mark.parametrize(
    "ddl",
    [
        "",
        PLAIN,
        JOINED
        + TRIGGER.format(body="UPDATE base SET status = NEW.status WHERE id = OLD.id; RETURN NEW;"),
    ],
    ids=["a table", "an auto-updatable view", "a view with a trigger"],
)
def test_what_can_be_written_is_written_and_that_is_undone(
    ddl: str, application: Application, database: Database
) -> None:
    before = read_row(application, 1)
    application.execute(ddl.encode())

    result = check(database)

    assert result.status in {CheckStatus.OK, CheckStatus.WARNING}, result
    assert result.detail == "an open order was locked and written, and that was undone"
    assert read_row(application, 1) == before


@pytest.mark.parametrize(
    ("ddl", "what", "hint"),
    [
        (
            DISTINCT + TRIGGER.format(body="RETURN NEW;"),
            "cannot be locked: FOR UPDATE",
            "without DISTINCT",
        ),
        (JOINED + TRIGGER.format(body="RETURN NULL;"), "changes no row", "return NEW"),
        (
            REFUSE,
            "cannot be written: closed today",
            "a trigger",
        ),
    ],
    ids=["distinct rows", "a trigger that drops it", "a trigger that refuses"],
)
def test_what_is_refused_is_explained(
    ddl: str, what: str, hint: str, application: Application, database: Database
) -> None:
    application.execute(ddl.encode())

    result = check(database)

    assert result.exit_code == 78
    (problem,) = result.problems
    assert what in problem.what
    assert hint in problem.hint


@pytest.mark.parametrize("ddl", [JOINED, DISTINCT], ids=["several tables", "distinct rows"])
def test_a_view_that_takes_no_update_is_one_problem_and_is_not_tried(
    ddl: str, application: Application, database: Database
) -> None:
    application.execute(ddl.encode())

    with database.transaction() as connection:
        (problem,) = check_orders(connection, DEFAULT_TABLE).problems

    assert "takes no UPDATE" in problem.what
    assert "INSTEAD OF UPDATE" in problem.hint
    assert check(database).status is CheckStatus.SKIPPED


def test_a_view_whose_tables_lack_an_index_on_the_status_is_warned_of(
    application: Application, database: Database
) -> None:
    application.execute("DROP INDEX reconciler_open_orders")
    application.execute(PLAIN)

    without = check(database)
    application.execute("CREATE INDEX ON base (status)")

    assert "by reading all rows of base" in without.problems[0].what
    assert check(database).status is CheckStatus.OK


def test_without_a_free_order_nothing_is_tried(
    application: Application, database: Database
) -> None:
    with application.transaction():
        application.execute("SELECT FROM orders FOR UPDATE")
        result = check(database)

    assert (result.status, result.detail) == (
        CheckStatus.OK,
        "no open order is there, or free, to try it on",
    )
