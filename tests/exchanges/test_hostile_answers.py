"""Whatever is answered, an order is reported as it is, or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from pydantic import SecretStr

from reconciler.chaos.hostile import TIME, Kind, kinds
from reconciler.chaos.hostile_proxy import HostileProxy
from reconciler.domain.report import Report
from reconciler.exchanges.base import Answers, Exchange, Wanted
from reconciler.exchanges.guarded import OneAttempt
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.paper.auth import Access
from reconciler.paper.listing import ListedOrder, list_order
from reconciler.paper.orders import Seeding
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.resilience.budget import LocalBudget, WeightWindow
from reconciler.settings import Credentials

KEY, SECRET = "made-up-key", "made-up-secret"
PATIENCE_SECONDS = 2.0
ORDERS = 120
KINDS = tuple(one for one in kinds("http://127.0.0.1:9/trap") if one.about != TIME)
ASKED = ("one order", "a list")


@dataclass(frozen=True, kw_only=True)
class Venue:
    """An exchange behind the proxy, and what is true there."""

    proxy: HostileProxy
    truth: dict[Wanted, ListedOrder]

    def opened(self) -> Exchange:
        """Open a client as a worker does."""
        return open_exchange(
            venue("paper", self.proxy.url),
            credentials=Credentials(api_key=SecretStr(KEY), api_secret=SecretStr(SECRET)),
            guard=OneAttempt(PATIENCE_SECONDS),
            budget=LocalBudget(WeightWindow(10**9, 1.0)),
            clock=lambda: datetime.now(UTC),
        )


@pytest.fixture(scope="module")
def hostile_venue() -> Iterator[Venue]:
    """An exchange of this test process."""
    exchange = new_exchange(
        seeding=Seeding(orders=ORDERS, symbols=1), access=Access(api_key=KEY, api_secret=SECRET)
    )
    truth = {
        Wanted(symbol=order.symbol, external_order_id=str(order.order_id)): order
        for order in map(list_order, exchange.book)
    }
    rng = Random(1)  # noqa: S311 - to be the same each time
    with serve_in_thread(exchange) as url, HostileProxy(url, rng=rng) as proxy:
        yield Venue(proxy=proxy, truth=truth)


def wrong_reports(answers: Answers, truth: dict[Wanted, ListedOrder]) -> list[str]:
    """Describe each report that is not as the exchange has the order."""
    return [
        f"{wanted.external_order_id}: {answer.word[:50]} {str(answer.executed_qty)[:50]}"
        for wanted, answer in answers.answers.items()
        if isinstance(answer, Report) and not is_true(answer, truth[wanted])
    ]


def is_true(report: Report, order: ListedOrder) -> bool:
    """Whether the report says nothing else than the truth; that it is unsure is no lie."""
    if report.status is None:
        return True
    return report.executed_qty == Decimal(order.truth.executed_qty) and (
        report.status is order.truth.status
        # An open order with a quantity executed is `partial`, which is decided later.
        or not (report.status.is_terminal or order.truth.status is None)
    )


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_hostile_answer_leads_to_the_truth_or_to_no_report(
    hostile_venue: Venue, kind: Kind, asked: str
) -> None:
    exchange, proxy = hostile_venue.opened(), hostile_venue.proxy
    everything = list(hostile_venue.truth)
    wanted = everything[:1] if asked == "one order" else everything
    await exchange.ask(wanted)  # the connection is kept, and the clock is known

    sent = proxy.hostile_answers[kind.name]
    proxy.inject((kind,), 1.0, times=1)
    first = await exchange.ask(wanted)
    after = [await exchange.ask([one]) for one in everything[:3]]
    await exchange.close()

    assert proxy.hostile_answers[kind.name] == sent + 1
    assert wrong_reports(first, hostile_venue.truth) == []
    assert set(first.answers) | set(first.failures) == set(wanted)
    for one, answers in zip(everything, after, strict=False):
        assert answers.failures == {}, "the next answer was not used"
        assert isinstance(answers.answers[one], Report), "it was taken for another's answer"
        assert wrong_reports(answers, hostile_venue.truth) == []
    assert not proxy.complaints
