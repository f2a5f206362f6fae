"""A wrong clock hides no order: a sync or an attempt too far in the future is due."""

from datetime import timedelta

import pytest

from reconciler.domain.status import Status
from reconciler.scope import UNSCOPED
from reconciler.store.database import Database
from reconciler.store.explain import read_row as explain_row
from reconciler.store.holds import MAX_AHEAD, count_far_ahead, read_hold
from reconciler.store.stale_statements import count_synced_ahead

from .builders import (
    Application,
    a_fault,
    a_report,
    applied,
    insert_order,
    now_of,
    read_row,
    shape_of,
)
from .test_stale import STALE_AFTER, ids_of, measure, read_page, read_pages

AHEAD = {
    "by two minutes": (timedelta(minutes=2), [1]),
    "by half a minute, as clocks differ": (timedelta(seconds=30), []),
    "by two days": (timedelta(days=2), [1]),
    "by a century": (timedelta(days=36_500), [1]),
}


@pytest.mark.parametrize(("ahead", "stale"), AHEAD.values(), ids=AHEAD)
def test_an_order_synced_in_the_future_is_stale(
    ahead: timedelta, stale: list[int], application: Application, database: Database
) -> None:
    insert_order(application, 1, last_synced_at=now_of(database) + ahead)

    orders = shape_of(database)

    with database.autocommit() as connection:
        row = explain_row(connection, orders, 1, stale_after=STALE_AFTER)
        counted = count_synced_ahead(connection, orders)

    assert ids_of(read_page(database)) == stale
    assert measure(database).orders == counted == len(stale)
    assert row is not None
    assert row.is_stale == bool(stale)


def test_orders_of_a_symbol_synced_in_the_future_come_after_its_others(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    moments = [
        now + timedelta(days=2),
        None,
        now - timedelta(hours=1),
        now,
        "infinity",
        now + timedelta(days=1),
    ]
    for id_, moment in enumerate(moments, start=1):
        insert_order(application, id_, last_synced_at=moment)

    paged = {
        limit: [id_ for page in read_pages(database, limit) for id_ in ids_of(page)]
        for limit in (1, 2, 3, 4, 5, 6)
    }

    assert {limit: found for limit, found in paged.items() if found != [2, 3, 6, 1, 5]} == {}


def test_reconciling_corrects_a_sync_in_the_future(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    for id_ in (1, 2):
        insert_order(application, id_, last_synced_at=now + timedelta(days=2))
    now = now_of(database)

    applied(
        database,
        (1, a_report(1, fetched_at=now)),
        (2, a_report(2, status=Status.NEW, executed="0", average=None, fetched_at=now)),
    )

    for id_ in (1, 2):
        assert read_row(application, id_)["last_synced_at"] <= now_of(database)
    assert ids_of(read_page(database)) == []


@pytest.mark.parametrize(
    ("ahead", "stale"),
    [
        (timedelta(minutes=59), []),
        (MAX_AHEAD - timedelta(seconds=10), []),
        (MAX_AHEAD + timedelta(seconds=10), [1]),
        (timedelta(days=2), [1]),
    ],
    ids=["within an hour", "as clocks differ", "beyond any hold", "in two days"],
)
def test_an_attempt_too_far_in_the_future_is_due(
    ahead: timedelta, stale: list[int], application: Application, database: Database
) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    application.execute(
        "UPDATE reconciliation_holds SET next_attempt_at = %s", [now_of(database) + ahead]
    )

    page = read_page(database)
    with database.autocommit() as connection:
        hold = read_hold(connection, UNSCOPED, "1")
        counted = count_far_ahead(connection, UNSCOPED)

    assert ids_of(page) == stale
    assert [order.is_on_hold for order in page.orders] == [True] * len(stale)
    assert measure(database).orders == counted == len(stale)
    assert hold is not None
    assert hold.is_waiting("BTCUSDT", "1", now_of(database)) == (not stale)
