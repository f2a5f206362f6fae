"""Ids may be texts of any letters: each statement reads, writes and names the right order."""

import pickle
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.domain.decide import Change, Rule
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.status import Status
from reconciler.errors import SchemaMismatch
from reconciler.store import stale
from reconciler.store.compare_and_set import PlannedWrites
from reconciler.store.database import Database
from reconciler.store.explain import read_lock_holders, read_row
from reconciler.store.holds import resolve_ended
from reconciler.store.open_index import OPEN_INDEX
from reconciler.store.order_rows import select_rows
from reconciler.store.stale import StaleOrders, SweepPosition
from reconciler.workload import Chunk

from .builders import (
    IN_ORDERS,
    IN_THE_SIDE_TABLE,
    SYMBOL,
    Application,
    a_fault,
    a_report,
    a_writer,
    applied,
    connect_application,
    facts_of,
    insert_order,
    make_ready,
    now_of,
    read_hold,
    read_log,
    read_planned,
    shape_of,
)
from .builders import read_row as read_stored
from .plans import explained

TABLE = """
    CREATE TABLE orders (
        id {id_type} PRIMARY KEY, symbol text, external_order_id text, status text,
        executed_qty numeric, avg_price numeric, last_synced_at timestamptz)"""
ID_TYPES = {
    "text": "text",
    "varchar": "varchar(40)",
    "char": "char(40)",
    "domain": "order_key",
}
STALE_AFTER = timedelta(minutes=5)
HOSTILE = [
    "clh3x2k9v0000qz8f1a2b3c4d",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "7",
    "NULL",
    "",
    " leading",
    'a"b',
    "a\\b",
    "a\\\\",
    "a,b",
    "{a}",
    "{}",
    "O'Neil; DROP TABLE orders --",
    "%(id)s %s",
    "tab\tand\nline",
    "\x1e\x07",
    "\N{SNOWMAN}\N{PILE OF POO}",
    "0b9a6c1e-6d2f-4f8e-9a53-0d5f0c6a7b11",
]


def a_table(owner: Application, kind: str, sync_times: str = IN_ORDERS) -> None:
    owner.execute("CREATE DOMAIN order_key AS varchar(60) CHECK (VALUE IS NOT NULL)")
    make_ready(owner, TABLE.format(id_type=ID_TYPES[kind]), sync_times)


def insert_hostile(owner: Application, ids: list[str]) -> None:
    for id_ in ids:
        insert_order(owner, id_)


def read_sweep(database: Database, limit: int) -> list[list[OrderId]]:
    pages: list[list[OrderId]] = []
    orders = StaleOrders(shape_of(database), stale_after=STALE_AFTER)
    position: SweepPosition | None = None
    while True:
        with database.transaction() as connection:
            page = orders.read_page(connection, limit, position)
        (arrived,) = pickle.loads(pickle.dumps([Chunk(key=SYMBOL, items=page.orders)]))  # noqa: S301 - ours
        assert arrived.items == page.orders
        pages.append([order.id for order in arrived.items])
        position = page.next
        if position is None:
            return pages


def a_change(now: datetime, id_: OrderId, order: Any) -> Any:
    report = a_report(id_, fetched_at=now)
    to = Facts(status=Status.FILLED, executed_qty=report.executed_qty, avg_price=report.avg_price)
    return order, report, Change(to=to, rule=Rule.ENDED)


def write_everywhere(database: Database, owner: Application, ids: list[str]) -> None:
    """Send each id through each statement that writes, and check what it wrote and named."""
    now = now_of(database)
    writer = a_writer(database)
    orders = shape_of(database)
    half = len(ids) // 2
    planned = list(read_planned(database).items())
    still_open, ended = [one for one, _ in planned[:half]], [one for one, _ in planned[half:]]
    with database.autocommit() as connection:
        fast = writer.write_planned(
            connection,
            PlannedWrites(
                confirmed=[
                    (order, a_report(id_, Status.NEW, "0", None, fetched_at=now))
                    for id_, order in planned[:half]
                ],
                changed=[a_change(now, id_, order) for id_, order in planned[half:]],
            ),
        )
    assert (fast.different, fast.skipped) == (frozenset(), frozenset())
    assert [read_log(owner, id_)[0]["order_id"] for id_ in ended] == ended

    old = read_planned(database)
    owner.execute("UPDATE orders SET status = status")
    with database.autocommit() as connection:
        fast = writer.write_planned(
            connection,
            PlannedWrites(
                confirmed=[],
                changed=[a_change(now, id_, old[id_]) for id_ in still_open],
            ),
        )
    assert fast.different == frozenset(still_open)
    applied(database, *((id_, a_fault(id_, fetched_at=now)) for id_ in still_open))
    held = [read_hold(owner, id_) for id_ in still_open]
    assert [hold and hold["order_id"] for hold in held] == still_open
    with database.autocommit() as connection:
        assert resolve_ended(connection, orders) == 0
        rows = [read_row(connection, orders, id_, stale_after=STALE_AFTER) for id_ in ids]
        assert [read_lock_holders(connection, orders, id_) for id_ in ids] == [()] * len(ids)
    assert [row and row.symbol for row in rows] == [SYMBOL] * len(ids)
    applied(database, *((id_, a_report(id_, fetched_at=now)) for id_ in still_open))
    assert [read_hold(owner, id_) for id_ in still_open] == [None] * half
    assert {facts_of(row)[0] for row in (read_stored(owner, one) for one in ids)} == {"filled"}


@pytest.mark.parametrize("kind", ID_TYPES)
@pytest.mark.parametrize("sync_times", [IN_ORDERS, IN_THE_SIDE_TABLE])
def test_ids_of_any_letters_are_read_and_written(
    kind: str,
    sync_times: str,
    owner: Application,
    empty_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_table(owner, kind, sync_times)
    insert_hostile(owner, HOSTILE)
    monkeypatch.setattr(stale, "MAX_LISTED", 10)

    pages = read_sweep(empty_database, 2)

    assert sorted(id_ for page in pages for id_ in page) == sorted(HOSTILE)
    assert {len(page) for page in pages} <= {0, 1, 2}
    write_everywhere(empty_database, owner, HOSTILE)


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(st.sampled_from("\"\\,{} 'N%\x1eé") | letters, max_size=6)


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(ids=st.lists(texts, min_size=2, max_size=12, unique=True))
def test_any_text_goes_through_each_statement(
    ids: list[str], owner: Application, empty_database: Database
) -> None:
    if owner.execute("SELECT to_regclass('orders') AS it").fetchone() == {"it": None}:
        a_table(owner, "text")
    owner.execute("TRUNCATE orders, activity_log, reconciliation_holds")
    insert_hostile(owner, ids)

    (page,) = read_sweep(empty_database, 100)

    assert sorted(map(str, page)) == sorted(ids)
    write_everywhere(empty_database, owner, ids)


# The wheel's PostgreSQL is built without citext and without ICU; Debian's is not.
with_extensions = pytest.mark.parametrize("any_database_url", ["oldest"], indirect=True)


@pytest.fixture
def any_owner(any_database_url: str) -> Iterator[Application]:
    with connect_application(any_database_url) as connection:
        connection.execute("DROP TABLE orders")
        yield connection


@pytest.fixture
def any_database(any_database_url: str) -> Iterator[Database]:
    database = Database(any_database_url, role="test")
    yield database
    database.close()


@with_extensions
def test_a_citext_is_compared_without_case_and_named_letter_by_letter(
    any_owner: Application, any_database: Database
) -> None:
    any_owner.execute("CREATE EXTENSION citext")
    any_owner.execute(TABLE.format(id_type="citext"))
    insert_hostile(any_owner, HOSTILE)
    report = a_report("CLH3x2k9v0000qz8f1a2b3c4d", fetched_at=now_of(any_database))

    (page,) = read_sweep(any_database, 100)
    result = applied(any_database, ("CLH3x2k9v0000qz8f1a2b3c4d", report))

    assert result.skipped == ("CLH3x2k9v0000qz8f1a2b3c4d",)
    orders = shape_of(any_database)
    with any_database.autocommit() as connection:
        assert read_row(connection, orders, "null", stale_after=STALE_AFTER) is None
    assert sorted(map(str, page)) == sorted(HOSTILE)
    write_everywhere(any_database, any_owner, HOSTILE)


@with_extensions
def test_a_collation_that_takes_different_ids_for_equal_is_refused_with_a_hint(
    any_owner: Application, any_database: Database
) -> None:
    any_owner.execute(
        "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    any_owner.execute(TABLE.format(id_type="varchar(9) COLLATE loose"))

    with pytest.raises(SchemaMismatch) as refused:
        shape_of(any_database)

    (problem,) = refused.value.problems
    assert "collation" in problem.what
    any_owner.execute(problem.hint.removeprefix("run: "))
    assert shape_of(any_database).has_unique_id


@pytest.mark.parametrize("kind", ID_TYPES)
def test_the_index_of_the_ids_is_used(
    kind: str, owner: Application, empty_database: Database
) -> None:
    a_table(owner, kind)
    owner.execute(
        "INSERT INTO orders (id, symbol, external_order_id, status)"
        " SELECT md5(n::text), 'S', n::text, CASE WHEN n > 99 THEN 'filled' ELSE 'new' END"
        " FROM generate_series(1, 20000) n"
    )
    owner.execute("ANALYZE orders")
    orders = StaleOrders(shape_of(empty_database), stale_after=STALE_AFTER)
    with empty_database.transaction() as connection:
        position = orders.read_page(connection, 10).next
    assert position is not None

    plan = explained(empty_database, lambda session: orders.read_page(session, 10, position))
    rows = select_rows(shape_of(empty_database))
    by_id = explained(empty_database, lambda session: session.execute(rows, {"ids": ["a", "b"]}))

    assert "Seq Scan" not in {kind for kind, _ in plan.scans_of("orders")}
    assert {index for _, index in plan.scans_of("orders")} <= {"orders_pkey", OPEN_INDEX, ""}
    assert "orders_pkey" in {index for *_, index in by_id.shape}
