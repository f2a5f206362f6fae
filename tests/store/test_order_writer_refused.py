"""If the database does not write as decided, the batch is rolled back, with a reason."""

from collections.abc import Iterator

import pytest

from reconciler.domain.decide import Confirm
from reconciler.domain.status import Status
from reconciler.errors import ConfigurationError, SchemaMismatch, StoreRejected
from reconciler.store.database import Database
from reconciler.store.orders_table import require_schema
from reconciler.store.write_result import WriteMismatch

from .builders import (
    IN_ORDERS,
    SHAPES,
    Application,
    a_fault,
    a_report,
    a_writer,
    applied,
    in_both,
    insert_order,
    make_ready,
    now_of,
    read_log,
    read_row,
)

A_TRIGGER = """
    CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
    CREATE TRIGGER meddle BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION meddle();
"""
SWALLOW_ONE = "IF new.id = 2 THEN RETURN NULL; END IF; RETURN new;"
SWALLOW = "RETURN NULL;"


def apply_two(database: Database) -> None:
    now = now_of(database)
    applied(database, *((id_, a_report(id_, fetched_at=now)) for id_ in (1, 2)))


def assert_untouched(application: Application) -> None:
    assert [read_row(application, id_)["status"] for id_ in (1, 2)] == ["new", "new"]
    assert [read_log(application, id_) for id_ in (1, 2)] == [[], []]


@pytest.mark.parametrize(
    ("event", "table", "body"),
    [
        ("UPDATE", "orders", SWALLOW_ONE),
        ("UPDATE", "orders", SWALLOW),
        ("UPDATE", "orders", "RETURN old;"),
        ("INSERT", "activity_log", SWALLOW),
    ],
    ids=["of one order", "of all orders", "puts it back", "of the log"],
)
def test_a_trigger_that_drops_a_write_rolls_the_batch_back(
    event: str, table: str, body: str, application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    application.execute(A_TRIGGER.format(event=event, table=table, body=body))

    with pytest.raises(WriteMismatch, match="look for a trigger"):
        apply_two(database)

    assert_untouched(application)


def test_a_trigger_that_puts_a_sync_time_back_rolls_the_batch_back(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    as_it_is = a_report(1, Status.NEW, "0", None, fetched_at=now_of(database))
    application.execute(A_TRIGGER.format(event="UPDATE", table="orders", body="RETURN old;"))

    with pytest.raises(WriteMismatch, match="0 confirmed rows instead of 1 confirmed"):
        applied(database, (1, as_it_is))


def test_a_sync_time_may_be_rounded(application: Application, database: Database) -> None:
    insert_order(application, 1)
    application.execute("ALTER TABLE orders ALTER last_synced_at TYPE timestamptz(0)")
    as_it_is = a_report(1, Status.NEW, "0", None, fetched_at=now_of(database))

    result = applied(database, (1, as_it_is))

    assert [outcome.decision for outcome in result.outcomes] == [Confirm()]


@pytest.mark.parametrize(("event", "table"), [("UPDATE", "orders"), ("INSERT", "activity_log")])
def test_a_rule_that_our_statements_cannot_have_is_named(
    event: str, table: str, application: Application, database: Database
) -> None:
    rule = f"CREATE RULE copy AS ON {event} TO {table} DO ALSO INSERT INTO copies DEFAULT VALUES"
    application.execute(f"CREATE TABLE copies (id text); {rule}")

    with database.transaction() as connection, pytest.raises(SchemaMismatch) as refused:
        require_schema(connection)

    (problem,) = refused.value.problems
    assert problem.what.startswith(f"{table} has the rule copy for each {event.lower()}")
    assert problem.hint.endswith(f"DROP RULE copy ON {table}")


def test_a_trigger_that_drops_a_hold_rolls_the_batch_back(
    application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    application.execute(
        A_TRIGGER.format(event="INSERT", table="reconciliation_holds", body=SWALLOW)
    )
    now = now_of(database)

    with pytest.raises(WriteMismatch):
        applied(
            database,
            (1, a_report(1, fetched_at=now)),
            (2, a_fault(2, fetched_at=now)),
        )

    assert_untouched(application)


@pytest.mark.parametrize(
    "rule",
    [
        "ALTER TABLE orders ADD CHECK (id <> 2 OR status <> 'filled')",
        "ALTER TABLE orders ALTER avg_price TYPE numeric(10, 8)",
        "CREATE UNIQUE INDEX one_fill ON orders (symbol) WHERE status = 'filled'",
        A_TRIGGER.format(event="UPDATE", table="orders", body="RAISE 'closed on Sundays';"),
    ],
    ids=["a check", "a column too narrow", "a unique index", "a trigger that raises"],
)
def test_a_constraint_of_the_application_rejects_the_batch(
    rule: str, application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    application.execute(rule)

    with pytest.raises(StoreRejected):
        apply_two(database)

    assert_untouched(application)


def test_a_status_that_a_varchar_cannot_hold_is_never_cut_short(
    owner: Application, empty_database: Database
) -> None:
    shape = SHAPES["uuid id, varchar status"]
    make_ready(owner, shape.ddl)
    insert_order(owner, shape.id_of(1))
    writer = a_writer(empty_database)
    report = a_report(shape.id_of(1), fetched_at=now_of(empty_database))
    owner.execute("ALTER TABLE orders ALTER status TYPE varchar(5)")

    with (
        pytest.raises(StoreRejected, match="too long"),
        empty_database.transaction() as connection,
    ):
        writer.apply(connection, {shape.id_of(1): report})

    assert read_row(owner, shape.id_of(1))["status"] == "new"


def test_a_deleted_row_is_skipped_by_the_writer(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    report = a_report(1, fetched_at=now_of(database))
    application.execute("DELETE FROM orders")

    result = applied(database, (1, report))

    assert (result.outcomes, result.skipped, result.now) == ((), (1,), None)


READ_ONLY = """
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk;"""
LEAST = """
    GRANT SELECT ON orders TO clerk;
    GRANT UPDATE (status, executed_qty, avg_price, last_synced_at, updated_at) ON orders TO clerk;
    GRANT SELECT, INSERT ON activity_log TO clerk;
    GRANT SELECT, INSERT, UPDATE ON reconciliation_holds TO clerk;
    GRANT SELECT ON reconciliation_state TO clerk;"""
SIDE_TABLE = "GRANT SELECT, INSERT, UPDATE, DELETE ON reconciliation_sync TO clerk"


@pytest.fixture
def clerk(clerk_role: str, database_url: str) -> Iterator[Database]:
    """Our connection in a role with few privileges; the test grants them."""
    database = Database(f"{database_url}&options=-crole%3D{clerk_role}", role="test")
    yield database
    database.close()


def test_a_role_that_may_only_read_learns_which_grant_it_lacks(
    application: Application, clerk: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    application.execute(READ_ONLY)

    with pytest.raises(ConfigurationError, match="permission denied for table orders"):
        apply_two(clerk)

    assert_untouched(application)


@in_both
def test_the_documented_privileges_are_enough(
    application: Application, clerk: Database, sync_times: str
) -> None:
    for id_ in (1, 2, 3):
        insert_order(application, id_)
    application.execute(
        LEAST if sync_times == IN_ORDERS else LEAST.replace("last_synced_at, ", "") + SIDE_TABLE
    )

    apply_two(clerk)
    applied(clerk, (3, a_fault(3, fetched_at=now_of(clerk))))
    applied(clerk, (3, a_report(3, fetched_at=now_of(clerk))))

    assert [read_row(application, id_)["status"] for id_ in (1, 2, 3)] == ["filled"] * 3
