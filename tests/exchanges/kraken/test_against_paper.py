"""The adapter against the paper exchange's dialect, which was written apart from it, over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, Answer, Report
from reconciler.domain.status import Status
from reconciler.errors import RateLimited, Refused, Unavailable
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.kraken import ADAPTER
from reconciler.exchanges.kraken.adapter import Kraken
from reconciler.exchanges.kraken.constants import COUNTER
from reconciler.exchanges.request_policy import Sender, Turn
from reconciler.paper.dialects.kraken import DIALECT
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.market import market_for
from reconciler.paper.orders import PaperOrder, SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.resilience.budget import LocalBudget
from reconciler.resilience.limits import Cost
from reconciler.resilience.rate_limits import RateLimits
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, GrowingNonces
from tests.fakes import FakeClock

T = TypeVar("T")

NOW_MS = 1_795_867_200_000
KEY = DIALECT.new_key()
ORDERS = 400


class BudgetedSender(DirectSender):
    """Sends each request once, when the budget allows it."""

    def __init__(self, budget: LocalBudget) -> None:
        super().__init__()
        self._budget = budget

    async def call(
        self,
        cost: Cost,
        send: Callable[[], Awaitable[T]],
        *,
        turn: Turn | None = None,
        **others: object,
    ) -> T:
        await self._budget.take(cost)
        return await super().call(cost, send, turn=turn, **others)


@dataclass
class Paper:
    """A served exchange. `truth` is what a row must say of each order."""

    exchange: PaperExchange
    url: str

    @property
    def truth(self) -> dict[OrderRef, PaperOrder]:
        return {
            OrderRef(
                symbol=DIALECT.symbol(market_for(order.symbol)),
                external_order_id=DIALECT.order_id(order.order_id),
            ): order
            for order in self.exchange.orders
        }

    @asynccontextmanager
    async def opened(
        self, sender: Sender | None = None, secret: str = KEY.api_secret
    ) -> AsyncIterator[Kraken]:
        kraken = Kraken(
            venue=replace(ADAPTER.venue, base_url=self.url),
            client=httpx.AsyncClient(trust_env=False),
            sender=sender or DirectSender(),
            budget=LocalBudget(RateLimits(ADAPTER.venue.limits, 1.0)),
            credentials=Credentials(api_key=SecretStr(KEY.api_key), api_secret=SecretStr(secret)),
            clock=lambda: datetime.now(UTC),
            nonces=GrowingNonces(),
            requests_at_once=ADAPTER.requests_at_once,
        )
        try:
            yield kraken
        finally:
            await kraken.close()


@pytest.fixture
def paper() -> Iterator[Paper]:
    exchange = new_exchange(
        "kraken",
        access=KEY.access,
        has_limits=False,
        seed_options=SeedOptions(orders=ORDERS, symbols=12, hot_share=0.3),
    )
    with serve_in_thread(exchange) as url:
        yield Paper(exchange=exchange, url=url)


def assert_true(answer: Answer, order: PaperOrder) -> None:
    """A report is what a row must say, but for `partial`, which is decided later."""
    assert isinstance(answer, Report)
    expected = DIALECT.row_status(order.state)
    assert answer.status is (Status.NEW if expected is Status.PARTIAL else expected)
    assert answer.executed_qty == order.state.executed_qty
    assert answer.avg_price == order.state.avg_price
    assert answer.client_order_id == order.client_order_id
    assert answer.placed_at is not None
    assert answer.placed_at.timestamp() * 1000 == order.created_ms


async def test_every_order_in_every_state_is_reported_as_it_is(paper: Paper) -> None:
    async with paper.opened() as kraken:
        found = await kraken.fetch(list(paper.truth))

    assert found.failures == {}
    for ref, order in paper.truth.items():
        assert_true(found.answers[ref], order)
    words = {answer.word for answer in found.answers.values() if isinstance(answer, Report)}
    assert words >= {"open", "closed", "canceled", "expired"}


async def test_orders_are_followed_while_they_move_on(paper: Paper) -> None:
    async with paper.opened() as kraken:
        for _ in range(3):
            found = await kraken.fetch(list(paper.truth))
            assert found.failures == {}
            for ref, order in paper.truth.items():
                assert_true(found.answers[ref], order)
            paper.exchange.orders.advance(1, paper.exchange.clock_ms())


async def test_orders_take_at_most_a_tenth_of_a_request_each(paper: Paper) -> None:
    """So 200 orders take at most 20 requests; at 50 ms, one after another, that is one second."""
    refs: Sequence[OrderRef] = list(paper.truth)[:200]

    async with paper.opened() as kraken:
        await kraken.fetch(refs)
        before = paper.exchange.request_log.next_number
        found = await kraken.fetch(refs)

    assert len(found.answers) == 200
    assert paper.exchange.request_log.next_number - before <= 12


async def test_account_symbols_and_clock_are_read(paper: Paper) -> None:
    async with paper.opened() as kraken:
        account = await kraken.fetch_account()
        symbols = await kraken.fetch_symbols()

    assert account.identity == "AA73000000008900"
    assert abs(account.clock_offset.total_seconds()) < 60
    assert {ref.symbol for ref in paper.truth} <= symbols


async def test_vanished_orders_are_absent_and_no_more(paper: Paper) -> None:
    paper.exchange.faults.set(FaultRule(vanished_rate=1), paper.exchange.clock_ms())

    async with paper.opened() as kraken:
        found = await kraken.fetch(list(paper.truth))

    assert found.failures == {}
    assert {type(answer) for answer in found.answers.values()} == {Absent}


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ({"error_rate": 1}, Unavailable),
        ({"maintenance_rate": 1}, Unavailable),
        ({"html_rate": 1}, Unavailable),
        ({"cut_rate": 1}, Unavailable),
        ({"bad_key_rate": 1}, Refused),
        ({"rate_limit_rate": 1}, RateLimited),
        ({"ban_rate": 1}, RateLimited),
        ({"refusal_rate": 1, "refusal_message": "EAPI:Invalid nonce"}, Refused),
    ],
    ids=str,
)
async def test_fault_is_every_orders_failure_and_no_orders_end(
    paper: Paper, fault: dict[str, Any], failure: type[Exception]
) -> None:
    paper.exchange.faults.set(FaultRule(**fault), paper.exchange.clock_ms())

    async with paper.opened() as kraken:
        found = await kraken.fetch(list(paper.truth)[:60])

    assert found.answers == {}
    assert len(found.failures) == 60
    assert all(isinstance(error, failure) for error in found.failures.values())


async def test_wrong_secret_is_refused(paper: Paper) -> None:
    async with paper.opened(secret=DIALECT.new_key().api_secret) as kraken:
        with pytest.raises(Refused, match="Invalid signature"):
            await kraken.fetch_account()


SHARE = 0.9
"""Kraken lowers the counter every few seconds and not steadily: nobody should use all of it."""


async def test_published_counter_refuses_nothing_that_our_limits_allow() -> None:
    """With both at the lowest tier: 1,000 orders, by one clock that both sides share."""
    clock = FakeClock()
    exchange = new_exchange(
        "kraken", access=KEY.access, seed_options=SeedOptions(orders=1000, symbols=5)
    )
    exchange.clock_ms = lambda: NOW_MS + round(clock.now * 1000)
    limits = RateLimits(ADAPTER.venue.limits, SHARE, clock=clock)
    sender = BudgetedSender(LocalBudget(limits, sleep=clock.sleep))
    began = clock.now

    with serve_in_thread(exchange) as url:
        paper = Paper(exchange=exchange, url=url)
        async with paper.opened(sender) as kraken:
            found = await kraken.fetch(list(paper.truth))

    assert found.failures == {}
    assert len(found.answers) == 1000
    taken = sum(cost.get(COUNTER, 0) for cost in sender.costs)
    assert taken <= 60
    assert clock.now - began == pytest.approx((taken - 15 * SHARE) / (0.33 * SHARE), abs=10)
