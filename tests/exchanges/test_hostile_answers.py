"""Hostile answers: an order is reported as it is, or not at all."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Report
from reconciler.errors import Unavailable
from reconciler.exchanges.base import Exchange, LookupResult, OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.exchanges.request_policy import SingleAttempt
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.listing import ListedOrder, listed_order
from reconciler.paper.orders import SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.resilience.budget import LocalBudget
from reconciler.resilience.rate_limits import RateLimits
from reconciler.settings import Credentials
from tests.chaos.hostile_answers import AnswerType, HostileKind, bomb, deflated, kinds
from tests.chaos.hostile_proxy import HostileProxy

KEY, SECRET = "made-up-key", "made-up-secret"
PATIENCE_SECONDS = 1.0
ORDERS = 120
KINDS = tuple(
    one for one in kinds("http://127.0.0.1:9/trap") if one.replaces is not AnswerType.TIME
)
ASKED = ("one order", "a list")


Truth = dict[OrderRef, ListedOrder]


@pytest.fixture(scope="module")
def paper() -> Iterator[tuple[str, Truth]]:
    """Start an exchange in this process; yield its address and its orders."""
    bomb(), deflated()  # making them takes longer than a client waits for an answer
    exchange = new_exchange(
        seed_options=SeedOptions(orders=ORDERS, symbols=1),
        access=AccessPolicy(api_key=KEY, api_secret=SECRET),
        weight_limit=10**9,
    )
    truth = {
        OrderRef(symbol=order.symbol, external_order_id=str(order.order_id)): order
        for order in (listed_order(placed, exchange.dialect) for placed in exchange.orders)
    }
    with serve_in_thread(exchange) as url:
        yield url, truth


@dataclass(frozen=True, kw_only=True)
class HostileVenue:
    """An exchange behind the proxy, and its orders."""

    proxy: HostileProxy
    truth: Truth

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Exchange]:
        """Open an exchange as a worker does."""
        exchange = open_exchange(
            venue("paper", self.proxy.url),
            credentials=Credentials(api_key=SecretStr(KEY), api_secret=SecretStr(SECRET)),
            sender=SingleAttempt(PATIENCE_SECONDS),
            budget=LocalBudget(RateLimits((), share=1)),
            clock=lambda: datetime.now(UTC),
        )
        try:
            yield exchange
        finally:
            await exchange.close()


@pytest.fixture
def hostile_venue(paper: tuple[str, Truth]) -> Iterator[HostileVenue]:
    """Put a proxy in front of the exchange."""
    url, truth = paper
    with HostileProxy(url, rng=Random(1)) as proxy:  # noqa: S311 - to be the same each time
        yield HostileVenue(proxy=proxy, truth=truth)


def wrong_reports(answers: LookupResult, truth: Truth) -> list[str]:
    """Describe each report that differs from the order at the exchange."""
    return [
        f"{ref.external_order_id}: {answer.word[:50]} {str(answer.executed_qty)[:50]}"
        for ref, answer in answers.answers.items()
        if isinstance(answer, Report) and not is_true(answer, truth[ref])
    ]


def is_true(report: Report, order: ListedOrder) -> bool:
    """Return True if the report is true; an unknown status is not false."""
    if report.status is None:
        return True
    return report.executed_qty == Decimal(order.truth.executed_qty) and (
        report.status is order.truth.status
        # An open order with a quantity executed is `partial`, which is decided later.
        or not (report.status.is_terminal or order.truth.status is None)
    )


async def ask_again(exchange: Exchange, ref: OrderRef) -> LookupResult:
    """Ask about one order, a second time if the connection was closed."""
    answers = await exchange.fetch([ref])
    if isinstance(answers.failures.get(ref), Unavailable):
        answers = await exchange.fetch([ref])
    return answers


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_hostile_answer_leads_to_the_truth_or_no_report(
    hostile_venue: HostileVenue, kind: HostileKind, asked: str
) -> None:
    proxy, truth = hostile_venue.proxy, hostile_venue.truth
    everything = list(truth)
    refs = everything[:1] if asked == "one order" else everything

    async with hostile_venue.opened() as exchange:
        await exchange.fetch(refs)  # the connection is kept, and the clock is known
        proxy.inject((kind,), 1.0, times=1)
        first = await exchange.fetch(refs)
        others = everything[:3]
        after = [await ask_again(exchange, one) for one in others]

    assert proxy.hostile_answers[kind.name] == 1
    assert wrong_reports(first, truth) == []
    assert set(first.answers) | set(first.failures) == set(refs)
    for one, answers in zip(others, after, strict=True):
        assert answers.failures == {}, "the next answer was not used"
        assert isinstance(answers.answers[one], Report), "it was taken for another's answer"
        assert wrong_reports(answers, truth) == []
    assert not proxy.complaints
