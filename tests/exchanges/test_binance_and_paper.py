"""The adapter and the paper exchange were written apart: here they meet."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Answer, Report
from reconciler.domain.status import Status
from reconciler.exchanges.base import Exchange, Wanted
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.paper.auth import Access
from reconciler.paper.listing import list_order
from reconciler.paper.orders import Seeding
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.settings import Credentials

T = TypeVar("T")

ORDERS = 600
KEY, SECRET = "made-up-key", "made-up-secret"


class OpenGuard:
    def __init__(self) -> None:
        self.weight = 0

    async def call(self, weight: int, send: Callable[[], Awaitable[T]]) -> T:
        self.weight += weight
        return await send()


class Gauge:
    def __init__(self) -> None:
        self.used = 0

    async def take(self, weight: int) -> None: ...

    async def pause(self, seconds: float) -> None: ...

    async def observe(self, used_weight: int) -> None:
        self.used = max(self.used, used_weight)


@dataclass
class Paper:
    url: str
    truth: dict[Wanted, tuple[Status | None, str]]
    guard: OpenGuard = field(default_factory=OpenGuard)
    gauge: Gauge = field(default_factory=Gauge)

    def opened(self) -> Exchange:
        return open_exchange(
            venue("paper", self.url),
            credentials=Credentials(api_key=SecretStr(KEY), api_secret=SecretStr(SECRET)),
            guard=self.guard,
            budget=self.gauge,
            clock=lambda: datetime.now(UTC),
        )


@pytest.fixture
def paper() -> Iterator[Paper]:
    exchange = new_exchange(
        seeding=Seeding(orders=ORDERS, symbols=6, hot_share=0.5),
        access=Access(api_key=KEY, api_secret=SECRET),
    )
    truth = {}
    for order in exchange.book:
        listed = list_order(order)
        wanted = Wanted(symbol=listed.symbol, external_order_id=str(listed.order_id))
        truth[wanted] = (listed.truth.status, listed.truth.executed_qty)
    with serve_in_thread(exchange) as url:
        yield Paper(url=url, truth=truth)


def facts(answer: Answer) -> tuple[Status | None, str]:
    assert isinstance(answer, Report)
    return answer.status, f"{answer.executed_qty:.8f}"


async def test_every_order_of_the_paper_exchange_is_reported_as_it_is(paper: Paper) -> None:
    exchange = paper.opened()

    found = await exchange.ask(list(paper.truth))
    await exchange.close()

    assert found.failures == {}
    assert {order: facts(answer) for order, answer in found.answers.items()} == paper.truth
    assert len(found.answers) == ORDERS


async def test_weight_is_what_the_paper_exchange_counts(paper: Paper) -> None:
    exchange = paper.opened()

    await exchange.account()
    await exchange.ask(list(paper.truth))
    await exchange.close()

    assert paper.guard.weight == paper.gauge.used
    assert paper.guard.weight < ORDERS
