"""The Binance adapter against the paper exchange, which was written independently of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, Answer, Report
from reconciler.domain.status import Status
from reconciler.errors import (
    ClockSkew,
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    Unavailable,
)
from reconciler.exchanges.base import Exchange, OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.binance import DIALECT
from reconciler.paper.dialects.binance.dialect import BinanceMeter
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.listing import OrderSpec, build_order, listed_order
from reconciler.paper.orders import SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, RecordingBudget

T = TypeVar("T")

ORDERS = 600
KEY, SECRET = "made-up-key", "made-up-secret"


@dataclass
class Paper:
    url: str
    server: PaperExchange
    truth: dict[OrderRef, tuple[Status | None, str]]
    sender: DirectSender = field(default_factory=DirectSender)
    budget: RecordingBudget = field(default_factory=RecordingBudget)

    def opened(self) -> Exchange:
        return open_exchange(
            venue("paper", self.url),
            credentials=Credentials(api_key=SecretStr(KEY), api_secret=SecretStr(SECRET)),
            sender=self.sender,
            budget=self.budget,
            clock=lambda: datetime.now(UTC),
        )


@pytest.fixture
def paper() -> Iterator[Paper]:
    exchange = new_exchange(
        seed_options=SeedOptions(orders=ORDERS, symbols=6, hot_share=0.5),
        access=AccessPolicy(api_key=KEY, api_secret=SECRET),
    )
    truth = {}
    for order in exchange.orders:
        listed = listed_order(order, DIALECT)
        ref = OrderRef(symbol=listed.symbol, external_order_id=str(listed.order_id))
        truth[ref] = (listed.truth.status, listed.truth.executed_qty)
    with serve_in_thread(exchange) as url:
        yield Paper(url=url, server=exchange, truth=truth)


def facts(answer: Answer) -> tuple[Status | None, str]:
    assert isinstance(answer, Report)
    return answer.status, f"{answer.executed_qty:.8f}"


async def test_every_order_of_the_paper_exchange_is_reported_as_it_is(paper: Paper) -> None:
    exchange = paper.opened()

    found = await exchange.fetch(list(paper.truth))
    await exchange.close()

    assert found.failures == {}
    assert {order: facts(answer) for order, answer in found.answers.items()} == paper.truth
    assert len(found.answers) == ORDERS


SCRIPTS = ("币安人生USDT", "这是测试币456", "ไทยUSDT", "ÄÖÜßUSDT", "عربيUSDT")


@pytest.mark.parametrize("orders", [1, 40], ids=["look-ups", "pages"])
async def test_orders_of_symbols_in_any_script_are_reported(paper: Paper, orders: int) -> None:
    refs = set()
    for symbol in SCRIPTS:
        for number in range(1, orders + 1):
            given = OrderSpec(symbol=symbol, order_id=number, status="FILLED", executed_qty="0.5")
            paper.server.orders.put(build_order(given, paper.server.clock_ms()))
            refs.add(OrderRef(symbol=symbol, external_order_id=str(number)))

    exchange = paper.opened()
    found = await exchange.fetch(sorted(refs, key=lambda order: order.symbol))
    await exchange.close()

    assert found.failures == {}
    assert set(found.answers) == refs
    for order, report in found.answers.items():
        assert isinstance(report, Report)
        assert (report.symbol, report.status) == (order.symbol, Status.FILLED)


async def test_symbols_are_those_of_the_paper_exchange(paper: Paper) -> None:
    exchange = paper.opened()

    symbols = await exchange.fetch_symbols()
    await exchange.close()

    assert symbols == set(paper.server.orders.symbols())
    assert sum(paper.sender.weights) == max(reading.used or 0 for reading in paper.budget.readings)


async def test_weight_is_what_the_paper_exchange_counts(paper: Paper) -> None:
    exchange = paper.opened()

    await exchange.fetch_account()
    await exchange.fetch(list(paper.truth))
    await exchange.close()

    assert sum(paper.sender.weights) == max(reading.used or 0 for reading in paper.budget.readings)
    assert sum(paper.sender.weights) < ORDERS


@pytest.mark.parametrize(
    ("rule", "failure"),
    [
        (FaultRule(error_rate=1), Unavailable),
        (FaultRule(maintenance_rate=1), Unavailable),
        (FaultRule(cut_rate=1), Malformed),
        (FaultRule(html_rate=1), Malformed),
        (FaultRule(wrong_type_rate=1), Malformed),
        (FaultRule(bad_key_rate=1), Refused),
        (FaultRule(rate_limit_rate=1, retry_after_seconds=30), RateLimited),
        (FaultRule(ban_rate=1, ban_seconds=30), RateLimited),
    ],
    ids=["5xx", "maintenance", "cut", "html", "types", "key", "429", "418"],
)
async def test_misbehaviour_fails_every_order_and_answers_none(
    paper: Paper, rule: FaultRule, failure: type[ExchangeError]
) -> None:
    paper.server.faults.set(rule, paper.server.clock_ms())
    exchange = paper.opened()

    found = await exchange.fetch(list(paper.truth))
    await exchange.close()

    assert found.answers == {}
    assert found.failures.keys() == paper.truth.keys()
    assert {type(error) for error in found.failures.values()} == {failure}
    if failure is RateLimited:
        # A ban's text names its end as well, and `Date` whole seconds: up to one more.
        silences = {error.retry_after_seconds for error in found.failures.values()}  # type: ignore[union-attr]  # the type is asserted above
        assert all(30 <= seconds < 32 for seconds in silences)


async def test_clock_that_jumps_is_read_again_without_failures(paper: Paper) -> None:
    exchange = paper.opened()
    await exchange.fetch_account()
    paper.server.faults.set(FaultRule(clock_offset_ms=60_000), paper.server.clock_ms())

    found = await exchange.fetch(list(paper.truth))
    await exchange.close()

    assert found.failures == {}
    assert len(found.answers) == ORDERS


async def test_timestamp_refused_at_every_attempt_is_clock_skew(paper: Paper) -> None:
    for route in ("order", "openOrders", "allOrders"):
        rule = FaultRule(route=route, clock_offset_ms=60_000)
        paper.server.faults.set(rule, paper.server.clock_ms())
    exchange = paper.opened()

    found = await exchange.fetch(list(paper.truth))
    await exchange.close()

    assert {type(error) for error in found.failures.values()} == {ClockSkew}


@pytest.mark.parametrize("are_lists_empty", [0, 1])
async def test_deleted_orders_are_absent_and_no_others(paper: Paper, are_lists_empty: int) -> None:
    refs = list(paper.truth)[::6]
    gone = set(refs[::10])
    ids = tuple(int(order.external_order_id) for order in gone)
    rules = [
        FaultRule(name="vanished", vanished_rate=1, only_order_ids=ids),
        FaultRule(name="empty", empty_list_rate=are_lists_empty),
    ]
    for rule in rules:
        paper.server.faults.set(rule, paper.server.clock_ms())
    paper.server.meter = BinanceMeter(1_000_000)
    exchange = paper.opened()

    found = await exchange.fetch(refs)
    await exchange.close()

    absent = {order for order, answer in found.answers.items() if isinstance(answer, Absent)}
    assert absent == gone
    assert found.answers.keys() == set(refs)


async def test_unknown_words_are_reported_without_a_status(paper: Paper) -> None:
    paper.server.faults.set(FaultRule(unknown_status_rate=0.1), paper.server.clock_ms())
    exchange = paper.opened()

    found = await exchange.fetch(list(paper.truth))
    await exchange.close()

    reported = {order: facts(answer) for order, answer in found.answers.items()}
    unknown = {order for order, (status, _) in reported.items() if status is None}
    assert 30 < len(unknown) < 90
    assert all(reported[order] == paper.truth[order] for order in reported.keys() - unknown)


async def test_account_of_another_key_has_another_identity(paper: Paper) -> None:
    exchange = paper.opened()
    ours = await exchange.fetch_account()
    paper.server.faults.set(FaultRule(account_uid=77), paper.server.clock_ms())

    theirs = await exchange.fetch_account()
    await exchange.close()

    assert ours.identity != theirs.identity == "77"
