"""An order handler prepares and commits a batch, on a real database and a fake exchange."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg

from reconciler.domain import value
from reconciler.errors import BreakerOpen, RequestRejected, Suspended, Unavailable
from reconciler.exchanges.base import Failure
from reconciler.orders.handler import OrderHandler
from reconciler.store.database import Database
from reconciler.workload import Batch, Chunk, Result

from .builders import ORDERS, FakeExchange, a_handler, handle


async def test_unresolved_order_counts_as_error_and_is_not_requeued(
    database: Database, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange(silent_about=["2"]))

    result = await handle(handler, orders)

    assert (result.counts.scanned, result.counts.reconciled, result.counts.errors) == (4, 3, 1)
    assert result.unfinished == ()


async def test_order_whose_request_is_rejected_often_goes_on_hold(
    database: Database, database_url: str, orders: Chunk
) -> None:
    refused = RequestRejected("/api/v3/order: HTTP 400, code -9999: no")
    handler = a_handler(database, FakeExchange(failures={"2": refused}))

    results = [await handle(handler, orders) for _ in range(3)]

    counts = [(result.counts.errors, result.counts.held) for result in results]
    assert counts == [(1, 0), (1, 0), (0, 1)]
    assert all(result.fault is None and result.unfinished == () for result in results)
    with psycopg.connect(database_url) as connection:
        held = connection.execute("SELECT reason, detail FROM reconciliation_holds").fetchall()
    assert [reason for reason, _ in held] == ["error"]
    assert "code -9999" in held[0][1]


async def test_rejections_with_an_answer_in_between_hold_nothing(
    database: Database, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)

    for turned_down in (True, True, False, True, True):
        exchange.failures = {"2": RequestRejected("code -9999")} if turned_down else {}
        result = await handle(handler, orders)

    assert (result.counts.errors, result.counts.held) == (1, 0)


async def test_rejected_order_on_hold_is_held_again_at_once(
    database: Database, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange(failures={"2": RequestRejected("code -9999")}))
    held = replace(
        orders,
        items=tuple(
            value.replace(order, is_on_hold=True) if order.external_order_id == "2" else order
            for order in orders.items
        ),
    )

    result = await handle(handler, held)

    assert (result.counts.errors, result.counts.held) == (0, 1)


async def test_failed_request_counts_and_one_not_sent_does_not(
    database: Database, orders: Chunk
) -> None:
    failures: dict[str, Failure] = {
        "1": Unavailable("HTTP 503"),
        "2": BreakerOpen(retry_after_seconds=120),
        "3": Suspended("not asked", retry_after_seconds=120),
    }
    handler = a_handler(database, FakeExchange(failures=failures))

    result = await handle(handler, orders)

    assert (result.counts.scanned, result.counts.reconciled, result.counts.errors) == (2, 1, 1)
    assert result.not_asked == 1
    (unfinished,) = result.unfinished
    assert [order.external_order_id for order in unfinished.items] == ["2"]


async def test_locked_row_counts_as_skipped_after_its_second_try(
    database: Database, database_url: str, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange())
    with psycopg.connect(database_url) as application:
        application.execute("SELECT FROM orders WHERE external_order_id = '3' FOR UPDATE")

        first = await handle(handler, orders)
        (skipped,) = first.skipped
        again = replace(skipped, is_second_try=True)
        second = await handle(handler, again)

    assert [order.external_order_id for order in skipped.items] == ["3"]
    assert (first.counts.scanned, first.counts.skipped_locked) == (3, 0)
    assert (second.counts.scanned, second.counts.skipped_locked) == (1, 1)


async def test_commit_without_permission_touches_no_row(
    database: Database, database_url: str, orders: Chunk
) -> None:
    handler = a_handler(database, FakeExchange())
    batch = Batch(number=0, cycle=0, chunks=(orders,))

    stats = await handler.prepare(batch)
    result = await handler.commit(batch, may_write=False)

    assert (stats.examined, stats.suspicious) == (ORDERS, 0)
    assert (result.counts.scanned, result.counts.reconciled, result.unfinished) == (ORDERS, 0, ())
    with psycopg.connect(database_url) as connection:
        statuses = connection.execute("SELECT DISTINCT status FROM orders").fetchall()
    assert statuses == [("new",)]


async def test_reports_of_other_orders_count_for_the_halt(
    database: Database, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET qty = 0.5")
    items = tuple(value.replace(item, qty="0.5") for item in orders.items)
    handler = a_handler(database, FakeExchange())

    stats = await handler.prepare(Batch(number=0, cycle=0, chunks=(replace(orders, items=items),)))

    assert (stats.examined, stats.suspicious) == (ORDERS, ORDERS)


async def test_first_answers_after_a_suspend_are_dropped_the_next_count(
    database: Database, database_url: str, orders: Chunk
) -> None:
    exchange = FakeExchange()
    handler = a_handler(database, exchange)
    # While the machine slept our clock stood still: what is asked now seems to be hours old.
    handler.clock.sync(datetime.now(UTC) - timedelta(hours=3))
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET updated_at = now() - interval '1 day'")

    first = await handle_by_own_clock(handler, exchange, orders)
    second = await handle_by_own_clock(handler, exchange, orders)

    assert (first.counts.scanned, first.counts.reconciled, first.counts.held) == (ORDERS, 0, 0)
    assert second.counts.reconciled == ORDERS


async def handle_by_own_clock(
    handler: OrderHandler, exchange: FakeExchange, chunk: Chunk
) -> Result:
    """Handle a chunk whose answers have the worker's own time, like those of an adapter."""
    exchange.clock = handler.clock
    return await handle(handler, chunk)
