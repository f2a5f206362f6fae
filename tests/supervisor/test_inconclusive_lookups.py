"""No open order is looked at again and again: it is confirmed, changed or on hold after a few."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.domain.decide import Rule
from reconciler.errors import RequestRejected, UnreadableRow
from reconciler.exchanges.base import LookupResult, OrderRef
from reconciler.orders.inconclusive_lookups import (
    COUNTED,
    ENDED_BY_ITSELF,
    ENDED_BY_TIME,
    MAX_INCONCLUSIVE_LOOKUPS,
    REASONS,
    InconclusiveLookups,
)
from reconciler.store.database import Database
from reconciler.workload import Chunk, Result

from .test_batch import FakeExchange, a_handler, handle, new_orders

MEDDLING = {
    "written meanwhile": "UPDATE orders SET updated_at = clock_timestamp()",
    "changed meanwhile": "UPDATE orders SET executed_qty = executed_qty + 0.001",
    "another id meanwhile": "UPDATE orders SET external_order_id = external_order_id || '0'",
    "another symbol meanwhile": "UPDATE orders SET symbol = symbol || 'X'",
}
FAILURES = {
    "request turned down": RequestRejected("code -9999"),
    "row cannot be read": UnreadableRow("executedQty 4 of origQty 1"),
}
LOCKED = "locked by another session"
TRUE = "answered"


class MeddlingExchange(FakeExchange):
    """An exchange, and beside it an application that writes while the exchange is asked."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self._database_url = database_url
        self.meddling: str | None = None

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        answers = await super().fetch(refs)
        if self.meddling is not None:
            with psycopg.connect(self._database_url) as application:
                application.execute(self.meddling)
        return answers


@pytest.fixture
def exchange(database_url: str) -> MeddlingExchange:
    return MeddlingExchange(database_url)


@pytest.fixture
def one_order(database_url: str) -> Chunk:
    return new_orders(database_url, 1)


@contextmanager
def in_the_way(obstacle: str, exchange: MeddlingExchange, database_url: str) -> Iterator[None]:
    """Let every look fail in this way."""
    exchange.meddling = MEDDLING.get(obstacle)
    exchange.failures = {"1": FAILURES[obstacle]} if obstacle in FAILURES else {}
    with closing(psycopg.connect(database_url)) as application:
        if obstacle == LOCKED:
            application.execute("SELECT FROM orders FOR UPDATE")
        yield


def hold_of(database_url: str) -> tuple[str, str] | None:
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "SELECT reason, detail FROM reconciliation_holds WHERE resolved_at IS NULL"
        ).fetchone()


def led_to_something(result: Result) -> bool:
    return result.counts.reconciled + result.counts.held > 0


@pytest.mark.parametrize("obstacle", [*MEDDLING, *FAILURES, LOCKED])
async def test_an_order_that_circles_goes_on_hold(
    obstacle: str,
    database: Database,
    database_url: str,
    exchange: MeddlingExchange,
    one_order: Chunk,
) -> None:
    handler = a_handler(database, exchange)
    last_try = replace(one_order, is_second_try=True)

    looks = 0
    with in_the_way(obstacle, exchange, database_url):
        while hold_of(database_url) is None:
            assert looks < MAX_INCONCLUSIVE_LOOKUPS
            looks += 1
            result = await handle(handler, last_try)

    assert result.counts.held == 1
    reason, detail = hold_of(database_url) or ("", "")
    assert reason == "error"
    assert detail


async def test_a_look_that_leads_to_something_begins_the_count_again(
    database: Database, database_url: str, exchange: MeddlingExchange, one_order: Chunk
) -> None:
    handler = a_handler(database, exchange)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET executed_qty = 1, avg_price = 100, status = 'new'")

    for _ in range(3):
        with in_the_way("written meanwhile", exchange, database_url):
            for _ in range(MAX_INCONCLUSIVE_LOOKUPS - 1):
                await handle(handler, one_order)
        with in_the_way(TRUE, exchange, database_url):
            reset(database_url)
            assert led_to_something(await handle(handler, one_order))
            reset(database_url)

    assert hold_of(database_url) is None


def reset(database_url: str) -> None:
    """Let the row be open and as it was planned, last written a while ago."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE orders SET status = 'new', executed_qty = 0, avg_price = NULL,"
            " symbol = 'BTCUSDT', external_order_id = '1',"
            " updated_at = clock_timestamp() - interval '1 minute'"
        )


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    obstacles=st.lists(
        st.sampled_from([*MEDDLING, *FAILURES, LOCKED, TRUE]), min_size=6, max_size=14
    )
)
async def test_whatever_is_in_the_way_no_order_is_looked_at_too_often_in_a_row(
    obstacles: list[str], database: Database, database_url: str, exchange: MeddlingExchange
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM orders; DELETE FROM reconciliation_holds")
    (item,) = new_orders(database_url, 1).items
    handler = a_handler(database, exchange)
    run = Chunk(key="BTCUSDT", items=(item,), is_second_try=True)

    fruitless = 0
    for obstacle in obstacles:
        reset(database_url)
        with in_the_way(obstacle, exchange, database_url):
            result = await handle(handler, run)
        fruitless = 0 if led_to_something(result) else fruitless + 1
        assert fruitless < MAX_INCONCLUSIVE_LOOKUPS


def test_every_way_to_leave_an_order_is_counted_or_ends() -> None:
    changing = {
        Rule.UNCHANGED,
        Rule.ENDED,
        Rule.ARCHIVED,
        Rule.STATUS_ADVANCED,
        Rule.QUANTITY_GREW,
        Rule.PRICE_CORRECTED,
        Rule.ACCEPTED,
    }

    assert set(Rule) - changing == COUNTED | ENDED_BY_TIME | ENDED_BY_ITSELF
    assert set(REASONS) == COUNTED


def test_an_order_that_there_is_no_room_to_count_is_held_at_once() -> None:
    looks = InconclusiveLookups(max_remembered=2)

    counts = [looks.count(id_) for id_ in (1, 2, 3, 1, 2, 3)]
    looks.forget(2)

    assert counts == [1, 1, MAX_INCONCLUSIVE_LOOKUPS, 2, 2, MAX_INCONCLUSIVE_LOOKUPS]
    assert looks.count(3) == 1
