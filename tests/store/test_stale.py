"""The pages have every eligible order once, the longest unsynced first, and no other."""

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from reconciler.domain import value
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.status import OPEN, TERMINAL, Status
from reconciler.store import stale
from reconciler.store.database import Database
from reconciler.store.stale import StaleBacklog, StaleOrders, StalePage, SweepPosition
from reconciler.store.stale_order import StaleOrder

from .builders import (
    Application,
    Shape,
    a_fault,
    a_report,
    applied,
    insert_order,
    now_of,
    shape_of,
)

STALE_AFTER = timedelta(minutes=5)


def stale_orders(database: Database, stale_after: timedelta = STALE_AFTER) -> StaleOrders:
    return StaleOrders(shape_of(database), stale_after=stale_after)


def read_page(
    database: Database, limit: int = 100, after: SweepPosition | None = None
) -> StalePage:
    stale = stale_orders(database)
    with database.transaction() as connection:
        return stale.read_page(connection, limit, after)


def read_pages(database: Database, limit: int) -> Iterator[StalePage]:
    """Read page after page as the supervisor does, to the last."""
    after = None
    while True:
        page = read_page(database, limit, after)
        yield page
        if page.next is None:
            return
        after = page.next


def ids_of(page: StalePage) -> list[OrderId]:
    return [order.id for order in page.orders]


def measure(database: Database) -> StaleBacklog:
    stale = stale_orders(database)
    with database.transaction() as connection:
        return stale.measure_backlog(connection)


def synced_ago(database: Database, age: timedelta) -> dict[str, Any]:
    return {"last_synced_at": now_of(database) - age}


ELIGIBLE: dict[str, dict[str, Any]] = {
    **{f"open: {status}": {"status": status.value} for status in sorted(OPEN)},
    "never synced": {"last_synced_at": None},
    "never synced, as infinitely long ago": {"last_synced_at": "-infinity"},
    "known by an empty id": {"external_order_id": ""},
    "synced in a future without end": {"last_synced_at": "infinity"},
    "synced in a later century": {"last_synced_at": "2126-11-24"},
}
NOT_ELIGIBLE: dict[str, dict[str, Any]] = {
    **{f"ended: {status}": {"status": status.value} for status in sorted(TERMINAL)},
    "unknown at the exchange": {"external_order_id": None},
    "synced just now": {"last_synced_at": "now"},
    "ended and never synced": {"last_synced_at": None, "status": "filled"},
    "unknown and never synced": {"last_synced_at": None, "external_order_id": None},
}


@pytest.mark.parametrize("row", ELIGIBLE.values(), ids=ELIGIBLE)
def test_an_order_is_eligible_when_it_is_open_known_and_unsynced(
    row: dict[str, Any], application: Application, database: Database
) -> None:
    insert_order(application, 1, **{"last_synced_at": "2026-11-24 00:00+00", **row})

    assert ids_of(read_page(database)) == [1]
    assert measure(database).orders == 1


@pytest.mark.parametrize("row", NOT_ELIGIBLE.values(), ids=NOT_ELIGIBLE)
def test_an_order_is_not_eligible_otherwise(
    row: dict[str, Any], application: Application, database: Database
) -> None:
    insert_order(application, 1, **{"last_synced_at": "2026-11-24 00:00+00", **row})

    assert ids_of(read_page(database)) == []
    assert measure(database).orders == 0


@pytest.mark.parametrize(
    ("age", "stale"),
    [(STALE_AFTER - timedelta(seconds=30), []), (STALE_AFTER + timedelta(seconds=1), [1])],
    ids=["almost stale", "just stale"],
)
def test_an_order_is_stale_once_it_is_unsynced_for_longer_than_set(
    age: timedelta, stale: list[OrderId], application: Application, database: Database
) -> None:
    insert_order(application, 1, **synced_ago(database, age))

    assert ids_of(read_page(database)) == stale


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ("next_attempt_at = now() + interval '1 hour'", []),
        ("next_attempt_at = now() - interval '1 second'", [1]),
        ("resolved_at = now(), resolution = 'accepted'", [1]),
    ],
    ids=["for an hour more", "until a moment ago", "once, and resolved"],
)
def test_an_order_on_hold_is_left_out_until_its_next_attempt(
    change: str, stale: list[OrderId], application: Application, database: Database
) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    application.execute(f"UPDATE reconciliation_holds SET {change}")  # noqa: S608 - a case above

    assert ids_of(read_page(database)) == stale
    assert measure(database).orders == len(stale)


def test_the_never_synced_come_first_then_the_longest_unsynced(
    application: Application, database: Database
) -> None:
    for id_, minutes in ((1, 10), (2, None), (3, 30), (4, 20), (5, None), (6, 1)):
        age = {} if minutes is None else synced_ago(database, timedelta(minutes=minutes))
        insert_order(application, id_, **age)

    assert ids_of(read_page(database)) == [2, 5, 3, 4, 1]


def a_stale_order(shape: Shape, number: int, *, symbol: str, external_order_id: str) -> StaleOrder:
    return StaleOrder(
        id=shape.id_of(number),
        symbol=symbol,
        external_order_id=external_order_id,
        status=Status.NEW,
        executed_qty=Decimal(0),
        avg_price=None,
        created_at=None,
        is_on_hold=False,
    )


def test_a_stale_order_has_its_facts_its_age_and_if_a_hold_is_due(
    application: Application, database: Database
) -> None:
    placed_at = now_of(database) - timedelta(hours=1)
    insert_order(
        application, 1, status="partial", executed_qty="1.5", avg_price="9", created_at=placed_at
    )
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    application.execute("UPDATE reconciliation_holds SET next_attempt_at = now()")

    (order,) = read_page(database).orders

    assert order.facts == Facts(
        status=Status.PARTIAL, executed_qty=Decimal("1.5"), avg_price=Decimal(9)
    )
    assert (order.created_at, order.is_on_hold) == (placed_at, True)


def test_a_page_is_the_same_after_it_was_sent_to_a_worker(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    times = dict.fromkeys(shape.optional & {"created_at"}, now_of(empty_database))
    insert_order(owner, shape.id_of(1), executed_qty="1.5", avg_price="9", **times)
    page = read_page(empty_database)

    arrived = pickle.loads(pickle.dumps(page))  # noqa: S301 - pickled a moment ago

    assert arrived == page
    assert arrived.orders[0].facts == page.orders[0].facts


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "12026-01-01"])
def test_an_impossible_creation_time_does_not_hide_an_order(
    application: Application, database: Database, moment: str
) -> None:
    insert_order(application, 1, created_at=moment)
    insert_order(application, 2)

    orders = {order.id: order for order in read_page(database).orders}

    assert set(orders) == {1, 2}
    assert orders[1].created_at is None


def test_a_stale_order_has_its_symbol_and_exchange_id(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    insert_order(owner, shape.id_of(1), symbol="ETHUSDT", external_order_id="9007199254740993")
    insert_order(owner, shape.id_of(2), symbol=None, external_order_id="7")

    orders = [order for page in read_pages(empty_database, 100) for order in page.orders]

    assert [value.replace(order, version="") for order in orders] == [
        a_stale_order(shape, 1, symbol="ETHUSDT", external_order_id="9007199254740993"),
        a_stale_order(shape, 2, symbol="", external_order_id="7"),
    ]


@pytest.mark.parametrize(
    ("act", "stays"),
    [
        ("SELECT FROM orders FOR UPDATE", True),
        ("UPDATE orders SET symbol = symbol", False),
        ("VACUUM (FREEZE) orders", True),
    ],
    ids=["locked", "written", "vacuumed"],
)
def test_the_version_of_a_row_changes_exactly_when_the_row_is_written(
    act: str,
    stays: bool,  # noqa: FBT001 - a case's value, not a switch
    application: Application,
    database: Database,
) -> None:
    insert_order(application, 1)
    (before,) = read_page(database).orders

    application.execute(act)

    (after,) = read_page(database).orders
    assert (after.version == before.version) is stays


def test_every_order_is_on_one_page_also_with_equal_or_no_times(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    moments = [None, "2026-11-23", None, "2026-11-24 05:00:00.000001", "2026-11-24 05:00", None]
    for number in range(12):
        insert_order(owner, shape.id_of(number), last_synced_at=moments[number % 6])
    whole = ids_of(read_page(empty_database))

    paged = {limit: list(read_pages(empty_database, limit)) for limit in (1, 2, 5, 11, 12, 13)}

    assert sorted(whole, key=str) == sorted(map(shape.id_of, range(12)), key=str)
    for limit, pages in paged.items():
        assert [id_ for page in pages for id_ in ids_of(page)] == whole
        assert {len(page.orders) for page in pages[:-1]} <= {limit}


@pytest.mark.parametrize(
    "options",
    ["-ctimezone=Asia/Tokyo", "-ctimezone=America/St_Johns -cdatestyle=German"],
    ids=["Tokyo", "St. John's, in German"],
)
def test_times_are_exact_in_every_time_zone_and_style(
    options: str,
    application: Application,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stale, "MAX_LISTED", 1)
    placed = datetime(1870, 1, 2, 3, 4, 5, 60_000, tzinfo=UTC)
    for id_ in range(1, 5):
        insert_order(
            application,
            id_,
            last_synced_at=f"2026-11-01 05:30:00.00000{id_}+00",
            created_at=placed + timedelta(microseconds=id_),
        )
    database = Database(f"{database_url}&options={quote(options)}", role="test")

    found = [order for page in read_pages(database, 1) for order in page.orders]
    database.close()

    assert [order.id for order in found] == [1, 2, 3, 4]
    assert [order.created_at for order in found] == [
        placed + timedelta(microseconds=id_) for id_ in range(1, 5)
    ]


def test_orders_reconciled_between_pages_make_no_other_skipped(
    application: Application, database: Database
) -> None:
    for id_ in range(1, 11):
        age = timedelta(minutes=60 - id_)
        insert_order(application, id_, **synced_ago(database, age) if id_ > 3 else {})
    handled: list[OrderId] = []

    for page in read_pages(database, 2):
        now = now_of(database)
        half = ids_of(page)[:1]
        applied(database, *((id_, a_report(id_, fetched_at=now)) for id_ in half))
        handled += ids_of(page)

    assert handled == list(range(1, 11))
    assert ids_of(read_page(database)) == [2, 4, 6, 8, 10]


def test_reading_a_page_takes_no_row_locks(application: Application, database: Database) -> None:
    insert_order(application, 1)
    stale = stale_orders(database)

    with database.transaction() as connection:
        stale.read_page(connection, 10)
        application.execute("SET lock_timeout = '100ms'")
        application.execute("UPDATE orders SET status = 'filled'")

    assert ids_of(read_page(database)) == []


@pytest.mark.parametrize(
    ("rows", "age_seconds"),
    [
        ([], 0),
        ([{"last_synced_at": "now"}], 0),
        ([{"last_synced_at": 600}, {"last_synced_at": 1200}], 1200),
        ([{"last_synced_at": 600}, {"created_at": 3600}], 3600),
    ],
    ids=["no orders", "none stale", "both synced before", "one never synced"],
)
def test_the_backlog_has_the_age_of_its_oldest_order(
    rows: list[dict[str, Any]], age_seconds: int, application: Application, database: Database
) -> None:
    now = now_of(database)
    for id_, row in enumerate(rows, start=1):
        columns = {
            name: now - timedelta(seconds=value) if isinstance(value, int) else value
            for name, value in row.items()
        }
        insert_order(application, id_, **columns)

    backlog = measure(database)

    assert backlog.orders == (len(rows) if age_seconds else 0)
    assert backlog.oldest_age_seconds == pytest.approx(age_seconds, abs=30)


@pytest.mark.parametrize(("value", "unreached"), [("{}", 2), ('{"ended_at": "now"}', 3)])
def test_first_sync_has_not_reached_what_was_not_synced_since_it_began(
    application: Application, database: Database, value: str, unreached: int
) -> None:
    insert_order(application, 1, last_synced_at=None)
    insert_order(application, 2, **synced_ago(database, timedelta(hours=3)))
    insert_order(application, 3, **synced_ago(database, timedelta(hours=1)))
    application.execute(
        "INSERT INTO reconciliation_state (scope, key, value, changed_at, changed_by)"
        " VALUES ('', 'first_sync', %s::jsonb"
        " || jsonb_build_object('began_at', now() - interval '2 h'), now(), 'me')",
        (value,),
    )

    backlog = measure(database)

    assert (backlog.orders, backlog.unreached_orders) == (3, unreached)


def test_the_backlog_of_orders_without_any_time_counts_from_now(
    owner: Application, empty_database: Database, shape: Shape
) -> None:
    insert_order(owner, shape.id_of(1))

    assert measure(empty_database) == StaleBacklog(
        orders=1, oldest_age_seconds=0, unreached_orders=1
    )
