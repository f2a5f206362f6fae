"""The cost of finding stale orders depends on the open orders, not on the ended ones."""

from datetime import timedelta

import pytest

from reconciler.store.database import Database
from reconciler.store.open_index import OPEN_INDEX
from reconciler.store.stale import StaleOrders, SweepPosition

from .builders import Application, a_writer, shape_of
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


def plan_of_page(database: Database, *, limit: int = 500, is_by_ids: bool = False) -> Plan:
    """Return the plan by which a page of one of ten symbols is read, or one of listed ids."""
    stale = StaleOrders(shape_of(database), stale_after=timedelta(minutes=5))
    with database.transaction() as connection:
        position = SweepPosition(scan=stale.scan(connection))
        if is_by_ids:
            listed = stale.read_page(connection, limit // 4, position).next
            assert listed is not None
            position = listed
    return explained(database, lambda connection: stale.read_page(connection, limit, position))


def assert_only_open_orders(plan: Plan, *indexes: str) -> None:
    """No ended order is read, and nothing is quadratic."""
    kinds = {kind for kind, _, _ in plan.shape}
    assert {index for _, table, index in plan.shape if index and "hold" not in index} <= {*indexes}
    assert "Seq Scan" not in {kind for kind, _ in plan.scans_of("orders")}
    assert not [kind for kind in kinds if "Join" in kind or kind in {"Nested Loop", "Gather Merge"}]


@pytest.fixture
def few_ended(application: Application, database: Database) -> Database:
    """3,000 stale orders of ten symbols, and 2,000 that have ended."""
    application.execute("ALTER TABLE orders SET (autovacuum_enabled = off)")
    insert(application, OPEN_ORDERS, first=301, last=3_300)
    insert(application, ENDED_ORDERS, first=1, last=2_000)
    application.execute("ANALYZE orders")
    return database


@pytest.mark.parametrize("is_by_ids", [False, True], ids=["of symbols", "of ids"])
def test_a_page_reads_only_its_orders_however_many_have_ended(
    is_by_ids: bool,  # noqa: FBT001 - a case's name, not a switch
    few_ended: Database,
    application: Application,
) -> None:
    with_few = plan_of_page(few_ended, is_by_ids=is_by_ids)

    insert(application, ENDED_ORDERS, first=2_001, last=60_000)
    unanalyzed = plan_of_page(few_ended, is_by_ids=is_by_ids)
    application.execute("ANALYZE orders")
    with_many = plan_of_page(few_ended, is_by_ids=is_by_ids)

    for plan in (with_few, unanalyzed, with_many):
        assert_only_open_orders(plan, OPEN_INDEX, *(["orders_pkey"] if is_by_ids else []))
        assert plan.root["Actual Rows"] == (125 if is_by_ids else 300)
        assert plan.blocks <= 400


def test_a_page_of_ids_does_not_read_the_index_of_other_symbols(
    few_ended: Database, application: Application
) -> None:
    insert(application, OPEN_ORDERS, first=3_301, last=60_000)
    application.execute("VACUUM ANALYZE orders")

    plan = plan_of_page(few_ended, limit=10_000, is_by_ids=True)

    conditions = [node["Index Cond"] for node in plan.nodes if node.get("Index Name") == OPEN_INDEX]
    assert plan.root["Actual Rows"] == 2_500
    assert all("symbol" in condition for condition in conditions)


@pytest.mark.parametrize("is_analyzed", [True, False], ids=["analyzed", "not analyzed"])
def test_a_page_reads_the_orders_on_hold_once(
    is_analyzed: bool,  # noqa: FBT001 - a case's name, not a switch
    few_ended: Database,
    application: Application,
) -> None:
    application.execute("ALTER TABLE reconciliation_holds SET (autovacuum_enabled = off)")
    application.execute("ANALYZE reconciliation_holds")
    insert(application, OPEN_ORDERS, first=3_301, last=22_300)
    application.execute(HOLDS.format(count=20_000, wait="1 hour"))
    if is_analyzed:
        application.execute("ANALYZE orders, reconciliation_holds")

    plan = plan_of_page(few_ended)

    assert_only_open_orders(plan, OPEN_INDEX)
    assert plan.root["Actual Rows"] > 0
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
    assert_only_open_orders(plan, OPEN_INDEX)
    assert {(True, "reconciliation_holds_active"), (True, "reconciliation_holds_order")} & {*scans}
    assert reads_of_holds(plan) <= 2_900


@pytest.mark.parametrize("is_analyzed", [True, False], ids=["analyzed", "not analyzed"])
def test_a_scan_reads_no_ended_order_and_each_page_once(
    is_analyzed: bool,  # noqa: FBT001 - a case's name, not a switch
    few_ended: Database,
    application: Application,
) -> None:
    insert(application, ENDED_ORDERS, first=2_001, last=60_000)
    if is_analyzed:
        application.execute("ANALYZE orders")
    stale = StaleOrders(shape_of(few_ended), stale_after=timedelta(minutes=5))

    plan = explained(few_ended, stale.scan)

    assert_only_open_orders(plan, OPEN_INDEX, "reconciliation_state_pkey")
    assert plan.scans_of("orders") == [("Bitmap Heap Scan", "")]
    assert plan.blocks <= 100


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
