"""No open order is looked up for ever: after a few look-ups it is confirmed, changed or on hold."""

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

from .builders import FakeExchange, a_handler, handle, new_orders

WRITES_MEANWHILE = {
    "written meanwhile": "UPDATE orders SET updated_at = clock_timestamp()",
    "changed meanwhile": "UPDATE orders SET executed_qty = executed_qty + 0.001",
    "another id meanwhile": "UPDATE orders SET external_order_id = external_order_id || '0'",
    "another symbol meanwhile": "UPDATE orders SET symbol = symbol || 'X'",
}
FAILURES = {
    "request rejected": RequestRejected("code -9999"),
    "row cannot be read": UnreadableRow("executedQty 4 of origQty 1"),
}
LOCKED = "locked by another session"
ANSWERED = "answered"


class InterferedExchange(FakeExchange):
    """An exchange during whose look-ups an application writes to the row."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self._database_url = database_url
        self.write_meanwhile: str | None = None

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        answers = await super().fetch(refs)
        if self.write_meanwhile is not None:
            with psycopg.connect(self._database_url) as application:
                application.execute(self.write_meanwhile)
        return answers


@pytest.fixture
def exchange(database_url: str) -> InterferedExchange:
    return InterferedExchange(database_url)


@pytest.fixture
def one_order(database_url: str) -> Chunk:
    return new_orders(database_url, 1)


@contextmanager
def obstructed_by(obstacle: str, exchange: InterferedExchange, database_url: str) -> Iterator[None]:
    """Make each look-up inside the block end in this way."""
    exchange.write_meanwhile = WRITES_MEANWHILE.get(obstacle)
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


def is_conclusive(result: Result) -> bool:
    return result.counts.reconciled + result.counts.held > 0


@pytest.mark.parametrize("obstacle", [*WRITES_MEANWHILE, *FAILURES, LOCKED])
async def test_order_with_inconclusive_lookups_goes_on_hold(
    obstacle: str,
    database: Database,
    database_url: str,
    exchange: InterferedExchange,
    one_order: Chunk,
) -> None:
    handler = a_handler(database, exchange)
    last_try = replace(one_order, is_second_try=True)

    lookups = 0
    with obstructed_by(obstacle, exchange, database_url):
        while hold_of(database_url) is None:
            assert lookups < MAX_INCONCLUSIVE_LOOKUPS
            lookups += 1
            result = await handle(handler, last_try)

    assert result.counts.held == 1
    reason, detail = hold_of(database_url) or ("", "")
    assert reason == "error"
    assert detail


async def test_conclusive_lookup_resets_the_count_of_the_order(
    database: Database, database_url: str, exchange: InterferedExchange, one_order: Chunk
) -> None:
    handler = a_handler(database, exchange)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE orders SET executed_qty = 1, avg_price = 100, status = 'new'")

    for _ in range(3):
        with obstructed_by("written meanwhile", exchange, database_url):
            for _ in range(MAX_INCONCLUSIVE_LOOKUPS - 1):
                await handle(handler, one_order)
        with obstructed_by(ANSWERED, exchange, database_url):
            reset(database_url)
            assert is_conclusive(await handle(handler, one_order))
            reset(database_url)

    assert hold_of(database_url) is None


def reset(database_url: str) -> None:
    """Reset the row to open, as it was planned, and last written a while ago."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "UPDATE orders SET status = 'new', executed_qty = 0, avg_price = NULL,"
            " symbol = 'BTCUSDT', external_order_id = '1',"
            " updated_at = clock_timestamp() - interval '1 minute'"
        )


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    obstacles=st.lists(
        st.sampled_from([*WRITES_MEANWHILE, *FAILURES, LOCKED, ANSWERED]), min_size=6, max_size=14
    )
)
async def test_no_mix_of_obstacles_looks_an_order_up_too_often(
    obstacles: list[str], database: Database, database_url: str, exchange: InterferedExchange
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM orders; DELETE FROM reconciliation_holds")
    (item,) = new_orders(database_url, 1).items
    handler = a_handler(database, exchange)
    chunk = Chunk(key="BTCUSDT", items=(item,), is_second_try=True)

    inconclusive = 0
    for obstacle in obstacles:
        reset(database_url)
        with obstructed_by(obstacle, exchange, database_url):
            result = await handle(handler, chunk)
        inconclusive = 0 if is_conclusive(result) else inconclusive + 1
        assert inconclusive < MAX_INCONCLUSIVE_LOOKUPS


def test_every_rule_that_leaves_an_order_is_counted_or_ends() -> None:
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


def test_order_is_held_at_once_if_there_is_no_room_to_count() -> None:
    lookups = InconclusiveLookups(max_remembered=2)

    counts = [lookups.count(id_) for id_ in (1, 2, 3, 1, 2, 3)]
    lookups.forget(2)

    assert counts == [1, 1, MAX_INCONCLUSIVE_LOOKUPS, 2, 2, MAX_INCONCLUSIVE_LOOKUPS]
    assert lookups.count(3) == 1
