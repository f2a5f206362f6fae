"""The cost of finding stale orders depends on the page, not on the ended orders."""

from datetime import timedelta

import pytest

from reconciler.store.database import Database
from reconciler.store.stale import PageCursor, StaleOrders
from reconciler.store.stale_index import STALE_INDEX

from .builders import Application, a_writer, now_of, shape_of
from .plans import INDEX_SCANS, Plan, explained

OPEN_ORDERS = """
    INSERT INTO orders (symbol, external_order_id, status, last_synced_at)
    SELECT 'S' || n % 10, n::text, 'new', now() - n * interval '1 second'
    FROM generate_series({first}, {last}) AS n"""
ENDED_ORDERS = """
    INSERT INTO orders (symbol, external_order_id, status, last_synced_at)
    SELECT 'S' || n % 10, n::text, 'filled', now() - n * interval '1 second'
    FROM generate_series({first}, {last}) AS n"""
HOLDS = """
    INSERT INTO reconciliation_holds
        (order_id, reason, detail, attempts, first_held_at, next_attempt_at, row_facts)
    SELECT id::text, 'not_found', '', 1, now(), now() + interval '{wait}', '{{}}'
    FROM orders ORDER BY id LIMIT {count}"""


def insert(application: Application, statement: str, *, first: int, last: int) -> None:
    application.execute(statement.format(first=first, last=last))


def plan_of_page(database: Database, *, limit: int = 500, after: PageCursor | None = None) -> Plan:
    stale = StaleOrders(shape_of(database), stale_after=timedelta(minutes=5))
    return explained(database, lambda connection: stale.read_page(connection, limit, after))


def a_cursor(database: Database) -> PageCursor:
    return PageCursor(synced_at=str(now_of(database) - timedelta(minutes=20)), id=1)


def assert_only_our_index(plan: Plan) -> None:
    ((kind, index),) = plan.scans_of("orders")
    assert (kind in INDEX_SCANS, index) == (True, STALE_INDEX)
    assert not [kind for kind, _, _ in plan.shape if "Sort" in kind or "Join" in kind]
    assert not [kind for kind, _, _ in plan.shape if kind in {"Nested Loop", "Gather Merge"}]


@pytest.fixture
def few_ended(application: Application, database: Database) -> Database:
    """3,000 stale orders, and 2,000 that have ended."""
    application.execute("ALTER TABLE orders SET (autovacuum_enabled = off)")
    insert(application, OPEN_ORDERS, first=1, last=3_000)
    insert(application, ENDED_ORDERS, first=1, last=2_000)
    application.execute("ANALYZE orders")
    return database


@pytest.mark.parametrize("is_first", [True, False], ids=["the first page", "a later page"])
def test_a_page_is_one_index_scan_with_many_ended_orders(
    is_first: bool,  # noqa: FBT001 - a case's name, not a switch
    few_ended: Database,
    application: Application,
) -> None:
    after = None if is_first else a_cursor(few_ended)
    with_few = plan_of_page(few_ended, after=after)

    insert(application, ENDED_ORDERS, first=2_001, last=60_000)
    unanalyzed = plan_of_page(few_ended, after=after)
    application.execute("ANALYZE orders")
    with_many = plan_of_page(few_ended, after=after)

    assert_only_our_index(with_few)
    assert with_few.root["Actual Rows"] == 500
    assert with_few.shape == unanalyzed.shape == with_many.shape
    assert with_many.blocks <= with_few.blocks + 20


@pytest.mark.parametrize("is_analyzed", [True, False], ids=["analyzed", "not analyzed"])
def test_a_page_is_one_index_scan_with_many_orders_on_hold(
    is_analyzed: bool,  # noqa: FBT001 - a case's name, not a switch
    few_ended: Database,
    application: Application,
) -> None:
    application.execute("ALTER TABLE reconciliation_holds SET (autovacuum_enabled = off)")
    application.execute("ANALYZE reconciliation_holds")
    insert(application, OPEN_ORDERS, first=3_001, last=22_000)
    application.execute(HOLDS.format(count=20_000, wait="1 hour"))
    if is_analyzed:
        application.execute("ANALYZE orders, reconciliation_holds")

    plan = plan_of_page(few_ended)

    assert_only_our_index(plan)
    assert plan.root["Actual Rows"] == 500
    assert reads_of_holds(plan) <= 20_000 + 4_000


def reads_of_holds(plan: Plan) -> int:
    """Count the rows of holds that were read. It must not be the product of holds and orders."""
    return sum(
        round(node["Actual Rows"] * node["Actual Loops"])
        for node in plan.nodes
        if node.get("Relation Name") == "reconciliation_holds"
    )


@pytest.mark.parametrize("wait", ["1 hour", "-1 hour"], ids=["waiting", "due"])
def test_holds_that_outgrow_the_hash_memory_are_probed_one_by_one(
    wait: str,
    few_ended: Database,  # noqa: ARG001 - fills the database
    application: Application,
    database_url: str,
) -> None:
    application.execute(HOLDS.format(count=2_900, wait=wait))
    application.execute("ANALYZE reconciliation_holds")
    little_memory = "-cwork_mem%3D64kB%20-chash_mem_multiplier%3D1"
    poor = Database(f"{database_url}&options={little_memory}", role="test")

    plan = plan_of_page(poor, limit=1_000)
    poor.close()

    scans = [(kind in INDEX_SCANS, index) for kind, index in plan.scans_of("reconciliation_holds")]
    assert_only_our_index(plan)
    assert (True, "reconciliation_holds_active") in scans
    assert reads_of_holds(plan) <= 2_900


def test_the_backlog_is_measured_without_reading_what_has_ended(
    few_ended: Database, application: Application
) -> None:
    insert(application, ENDED_ORDERS, first=2_001, last=60_000)
    application.execute("ANALYZE orders")
    stale = StaleOrders(shape_of(few_ended), stale_after=timedelta(minutes=5))

    plan = explained(few_ended, stale.measure_backlog)

    indexes = {index for _, _, index in plan.shape if index and "holds" not in index}
    assert indexes == {STALE_INDEX}
    assert "Seq Scan" not in {kind for kind, _ in plan.scans_of("orders")}


def test_rows_are_locked_by_their_primary_key(
    few_ended: Database, application: Application
) -> None:
    insert(application, ENDED_ORDERS, first=2_001, last=60_000)
    application.execute("ANALYZE orders")
    step = a_writer(few_ended)
    parameters = {**step._lock_statement.constants, "ids": list(range(1, 201))}

    plan = explained(
        few_ended,
        lambda connection: connection.exec_driver_sql(step._lock_statement.text, parameters),
    )

    indexes = {index for _, _, index in plan.shape if index and "reconciliation_" not in index}
    assert indexes == {"orders_pkey"}
    assert "Seq Scan" not in {kind for kind, _ in plan.scans_of("orders")}
