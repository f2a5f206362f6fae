"""The adapter against the paper exchange in Coinbase's dialect, which was written apart from it."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, OrderFault, Report
from reconciler.domain.status import TERMINAL, Status
from reconciler.errors import ExchangeError, RateLimited, Refused, Unavailable
from reconciler.exchanges.base import Exchange, OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.coinbase import DIALECT
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule, FaultTable
from reconciler.paper.lifecycle import ExchangeStatus
from reconciler.paper.listing import ListedOrder, OrderSpec, build_order, listed_order
from reconciler.paper.orders import SeedOptions
from reconciler.paper.request_log import RequestLog
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, UnlimitedBudget

from .samples import API_KEY, PEM, SIGNED, order_id

ORDERS = 200
NOW_MS = 1_795_478_400_000


@dataclass(frozen=True)
class Paper:
    url: str
    server: PaperExchange

    @asynccontextmanager
    async def opened(self, credentials: Credentials = SIGNED) -> AsyncIterator[Exchange]:
        exchange = open_exchange(
            venue("coinbase", self.url),
            credentials=credentials,
            sender=DirectSender(),
            budget=UnlimitedBudget(),
            clock=lambda: datetime.now(UTC),
        )
        try:
            yield exchange
        finally:
            await exchange.close()

    def orders(self) -> dict[OrderRef, ListedOrder]:
        listed = (listed_order(order, DIALECT) for order in self.server.orders)
        return {
            OrderRef(symbol=one.row_symbol, external_order_id=one.row_order_id): one
            for one in listed
        }

    def routes(self) -> list[str]:
        return [one.route for one in self.server.request_log.after(0, 10_000)]


@pytest.fixture(scope="module")
def served() -> Iterator[Paper]:
    exchange = new_exchange("coinbase", access=AccessPolicy(api_key=API_KEY, api_secret=PEM))
    with serve_in_thread(exchange) as url:
        yield Paper(url, exchange)


@pytest.fixture
def paper(served: Paper) -> Paper:
    served.server.faults = FaultTable()
    served.server.meter = DIALECT.new_meter(is_enforced=False)
    served.server.request_log = RequestLog(started_ms=NOW_MS)
    served.server.seed(SeedOptions(orders=ORDERS, symbols=20, seed=3))
    return served


def is_true(report: Report, order: ListedOrder) -> bool:
    truth = order.truth
    shown = None if report.avg_price is None else round(report.avg_price, 8)
    return (
        report.executed_qty == Decimal(truth.executed_qty)
        and (truth.avg_price is None or shown == Decimal(truth.avg_price))
        and report.quantity == Decimal(order.qty)
        and report.client_order_id == order.client_order_id
        and (
            report.status is truth.status
            # An open order with a quantity executed is `partial`, which is decided later.
            or (report.status is Status.NEW and truth.status is Status.PARTIAL)
        )
    )


async def test_every_order_is_reported_as_it_is(paper: Paper) -> None:
    orders = paper.orders()

    async with paper.opened() as exchange:
        found = await exchange.fetch(list(orders))

    assert found.failures == {}
    assert found.answers.keys() == orders.keys()
    for ref, answer in found.answers.items():
        assert isinstance(answer, Report)
        assert is_true(answer, orders[ref]), (answer, orders[ref])
    assert {*TERMINAL, Status.PARTIAL} <= {order.truth.status for order in orders.values()}


async def test_orders_are_asked_for_in_a_tenth_of_the_requests_and_in_less_than_a_second(
    paper: Paper,
) -> None:
    orders = paper.orders()
    async with paper.opened() as exchange:
        await exchange.fetch_clock_offset()
        await exchange.fetch(list(orders)[:1])  # the connection is open, and the clock known
        paper.server.request_log = RequestLog(started_ms=NOW_MS)
        paper.server.faults.set(FaultRule(latency_ms=50), NOW_MS)

        began = time.monotonic()
        found = await exchange.fetch(list(orders))
        took = time.monotonic() - began

    assert len(found.answers) == ORDERS
    assert len(paper.routes()) <= ORDERS / 10
    assert took < 1


STATES: dict[str, tuple[str, str, Status | None]] = {
    "pending": (ExchangeStatus.PENDING_NEW, "0", Status.PENDING),
    "open": (ExchangeStatus.NEW, "0", Status.NEW),
    "partly filled": (ExchangeStatus.PARTIALLY_FILLED, "0.5", Status.NEW),
    "filled": (ExchangeStatus.FILLED, "2", Status.FILLED),
    "canceled": (ExchangeStatus.CANCELED, "0", Status.CANCELED),
    "canceled after a fill": (ExchangeStatus.CANCELED, "0.5", Status.CANCELED),
    "to be canceled": (ExchangeStatus.PENDING_CANCEL, "0", Status.NEW),
    "rejected": (ExchangeStatus.REJECTED, "0", Status.REJECTED),
    "expired": (ExchangeStatus.EXPIRED, "0", Status.EXPIRED),
    "expired in a match": (ExchangeStatus.EXPIRED_IN_MATCH, "0", Status.CANCELED),
    "unknown word": ("HALTED", "0", None),
    "word that says nothing": ("UNKNOWN_ORDER_STATUS", "0", None),
    "queued": ("QUEUED", "0", Status.PENDING),
    "to be edited": ("EDIT_QUEUED", "0", Status.NEW),
}


@pytest.mark.parametrize(("word", "executed", "expected"), STATES.values(), ids=STATES.keys())
async def test_order_in_any_state_is_reported(
    paper: Paper, word: str, executed: str, expected: Status | None
) -> None:
    placed = build_order(
        OrderSpec(
            symbol="BTCUSDT",
            order_id=5,
            qty="2",
            price="100",
            created_at=NOW_MS,
            status=word,
            executed_qty=executed,
        ),
        NOW_MS,
    )
    paper.server.orders.put(placed)
    ref = OrderRef(symbol="BTC-USDT", external_order_id=DIALECT.order_id(5))

    async with paper.opened() as exchange:
        found = await exchange.fetch([ref])

    report = found.answers[ref]
    assert isinstance(report, Report)
    assert (report.status, report.executed_qty) == (expected, Decimal(executed))
    assert report.avg_price == (Decimal(100) if Decimal(executed) else None)


async def test_order_of_another_account_is_absent_and_an_impossible_one_a_fault(
    paper: Paper,
) -> None:
    refs = [
        OrderRef(symbol="BTC-USDT", external_order_id=order_id(1)),
        OrderRef(symbol="BTC-USDT", external_order_id=DIALECT.order_id(123)),
        OrderRef(symbol="BTC-USDT", external_order_id="my-order"),
    ]

    async with paper.opened() as exchange:
        found = await exchange.fetch(refs)

    assert [type(found.answers[ref]) for ref in refs] == [Absent, Absent, OrderFault]


FAULTS: dict[str, tuple[FaultRule, type[ExchangeError]]] = {
    "rate limited": (FaultRule(rate_limit_rate=1, retry_after_seconds=2), RateLimited),
    "server errors": (FaultRule(error_rate=1), Unavailable),
    "maintenance": (FaultRule(maintenance_rate=1), Unavailable),
    "a bad key": (FaultRule(bad_key_rate=1), Refused),
    "a page": (FaultRule(html_rate=1), Unavailable),
    "cut answers": (FaultRule(cut_rate=1), Unavailable),
    "refusals that nobody knows": (FaultRule(refusal_rate=1), ExchangeError),
}


@pytest.mark.parametrize(("rule", "expected"), FAULTS.values(), ids=FAULTS.keys())
async def test_fault_of_the_exchange_is_never_an_answer(
    paper: Paper, rule: FaultRule, expected: type[ExchangeError]
) -> None:
    refs = list(paper.orders())[:5]
    async with paper.opened() as exchange:
        await exchange.fetch(refs[:1])
        paper.server.faults.set(rule, NOW_MS)

        found = await exchange.fetch(refs)

    assert found.answers == {}
    assert all(isinstance(found.failures[ref], expected) for ref in refs)


async def test_firewall_that_refuses_everything_stops_the_account(paper: Paper) -> None:
    paper.server.faults.set(FaultRule(firewall_rate=1), NOW_MS)

    async with paper.opened() as exchange:
        with pytest.raises(RateLimited, match="403"):
            await exchange.fetch_clock_offset()


@pytest.mark.parametrize("offset_ms", [-3_600_000, -4000, 4000, 3_600_000])
async def test_clock_that_is_wrong_is_corrected(paper: Paper, offset_ms: int) -> None:
    ref, order = next(iter(paper.orders().items()))
    paper.server.faults.set(FaultRule(clock_offset_ms=offset_ms), NOW_MS)

    async with paper.opened() as exchange:
        found = await exchange.fetch([ref])
        account = await exchange.fetch_account()

    report = found.answers[ref]
    assert isinstance(report, Report)
    assert is_true(report, order)
    assert abs(account.clock_offset.total_seconds() * 1000 - offset_ms) < 2000


async def test_clock_that_jumps_is_read_again(paper: Paper) -> None:
    refs = list(paper.orders())[:2]
    async with paper.opened() as exchange:
        await exchange.fetch(refs[:1])
        paper.server.faults.set(FaultRule(clock_offset_ms=600_000), NOW_MS)

        found = await exchange.fetch(refs)

    assert found.failures == {}


async def test_key_of_another_is_refused(paper: Paper) -> None:
    other = API_KEY.replace("3b910e93", "3b910e94")

    async with paper.opened(
        Credentials(api_key=SecretStr(other), api_secret=SecretStr(PEM))
    ) as exchange:
        with pytest.raises(Refused, match="Unauthorized"):
            await exchange.fetch_account()


async def test_products_are_those_of_the_orders(paper: Paper) -> None:
    async with paper.opened() as exchange:
        symbols = await exchange.fetch_symbols()

    assert {ref.symbol for ref in paper.orders()} <= symbols


async def test_identity_is_the_portfolio(paper: Paper) -> None:
    async with paper.opened() as exchange:
        first = await exchange.fetch_account()
        paper.server.faults.set(FaultRule(account_uid=4711), NOW_MS)
        other = await exchange.fetch_account()

    assert first.identity is not None
    assert other.identity not in {None, first.identity}
