"""OKX's adapter against the paper exchange's dialect, over real HTTP."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, Answer, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import (
    ClockSkew,
    ConfigurationError,
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
    UnreadableRow,
)
from reconciler.exchanges.base import Exchange, LookupResult, OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.exchanges.request_policy import SingleAttempt
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects import load_dialect
from reconciler.paper.exchange import ACCOUNT_UID, PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.lifecycle import ExchangeStatus
from reconciler.paper.listing import OrderSpec, build_order, listed_order
from reconciler.paper.orders import SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.settings import Credentials
from tests.exchanges.fakes import UnlimitedBudget

KEY, SECRET, PASSPHRASE = "made-up-key", "made-up-secret", "made up"
CREDENTIALS = Credentials(
    api_key=SecretStr(KEY), api_secret=SecretStr(SECRET), passphrase=SecretStr(PASSPHRASE)
)
PATIENCE_SECONDS = 60
DIALECT = load_dialect("okx")


@dataclass
class Paper:
    """An exchange, and the reconciler's view of it."""

    exchange: PaperExchange
    url: str

    def put(self, number: int, *, symbol: str = "BTCUSDT", **spec: Any) -> OrderRef:
        """Place an order; return its name in a row."""
        given = OrderSpec(symbol=symbol, order_id=number, **spec)
        order = build_order(given, self.exchange.clock_ms())
        self.exchange.orders.put(order)
        listed = listed_order(order, DIALECT)
        return OrderRef(symbol=listed.row_symbol, external_order_id=listed.row_order_id)

    def fault(self, **rule: Any) -> None:
        """Put a fault in force."""
        self.exchange.faults.set(FaultRule(**rule), self.exchange.clock_ms())

    def routes(self) -> list[str]:
        """Return the routes of the requests so far."""
        return [request.route for request in self.exchange.request_log.after(0, 10**6)]

    @asynccontextmanager
    async def opened(self, **changed: Any) -> AsyncIterator[Exchange]:
        """Open the account as a worker does."""
        exchange = open_exchange(
            venue("okx", self.url),
            sender=SingleAttempt(PATIENCE_SECONDS),
            budget=UnlimitedBudget(),
            clock=lambda: datetime.now(UTC),
            **{"credentials": CREDENTIALS, **changed},
        )
        try:
            yield exchange
        finally:
            await exchange.close()

    async def fetched(self, refs: Sequence[OrderRef], **changed: Any) -> LookupResult:
        """Fetch orders."""
        async with self.opened(**changed) as exchange:
            return await exchange.fetch(refs)


def new_paper(seed_options: SeedOptions | None = None) -> PaperExchange:
    access = AccessPolicy(api_key=KEY, api_secret=SECRET, passphrase=PASSPHRASE)
    return new_exchange("okx", access=access, has_limits=False, seed_options=seed_options)


@pytest.fixture
def paper() -> Iterator[Paper]:
    exchange = new_paper()
    with serve_in_thread(exchange) as url:
        yield Paper(exchange, url)


Truth = dict[OrderRef, tuple[Status | None, str, str | None]]


def truth_of(exchange: PaperExchange) -> Truth:
    truth: Truth = {}
    for order in exchange.orders:
        listed = listed_order(order, DIALECT)
        ref = OrderRef(symbol=listed.row_symbol, external_order_id=listed.row_order_id)
        truth[ref] = (listed.truth.status, listed.truth.executed_qty, listed.truth.avg_price)
    return truth


def facts(answer: Answer) -> tuple[Status | None, str, str | None]:
    assert isinstance(answer, Report)
    status = answer.status
    if status is not None and not status.is_terminal and answer.executed_qty > 0:
        status = Status.PARTIAL
    average = None if answer.avg_price is None else f"{answer.avg_price:.8f}"
    return status, f"{answer.executed_qty:.8f}", average


@pytest.mark.parametrize(
    "options",
    [
        SeedOptions(orders=600, symbols=6, hot_share=0.5),
        SeedOptions(orders=500, symbols=1),
        SeedOptions(orders=40, symbols=40),
        SeedOptions(orders=1, symbols=1),
    ],
    ids=["a hot symbol", "one symbol", "many symbols", "one order"],
)
async def test_every_order_is_reported_as_it_is(options: SeedOptions) -> None:
    exchange = new_paper(options)
    truth = truth_of(exchange)
    with serve_in_thread(exchange) as url:
        found = await Paper(exchange, url).fetched(list(truth))

    assert found.failures == {}
    assert {ref: facts(answer) for ref, answer in found.answers.items()} == truth
    assert len(found.answers) == options.orders


async def test_a_backlog_takes_at_most_a_tenth_of_one_request_per_order() -> None:
    exchange = new_paper(SeedOptions(orders=1000, symbols=1))
    truth = truth_of(exchange)
    with serve_in_thread(exchange) as url:
        paper = Paper(exchange, url)
        recent = [
            ref
            for ref, (status, executed, _) in truth.items()
            if (status is not None and not status.is_terminal) or float(executed) > 0
        ]
        async with paper.opened() as adapter:
            await adapter.fetch(recent)
            asked = len(paper.routes())
            found = await adapter.fetch(recent)

    assert found.failures == {}
    assert len(paper.routes()) - asked <= len(recent) / 10


async def test_200_orders_at_50_ms_take_less_than_a_second() -> None:
    exchange = new_paper(SeedOptions(orders=200, symbols=4))
    for order in list(exchange.orders):
        given = OrderSpec(symbol=order.symbol, order_id=order.order_id)
        exchange.orders.put(build_order(given, exchange.clock_ms()))
    truth = truth_of(exchange)
    with serve_in_thread(exchange) as url:
        paper = Paper(exchange, url)
        paper.fault(latency_ms=50)
        async with paper.opened() as adapter:
            await adapter.fetch_clock_offset()
            found = await adapter.fetch(list(truth))

    # By the number of rounds, not by the clock: a busy machine is many times as slow.
    assert len(found.answers) == len(truth)
    assert len(paper.routes()) * 50 < 1000


@pytest.mark.parametrize("status", list(ExchangeStatus))
async def test_each_status_of_the_exchange_is_what_a_row_must_say(
    paper: Paper, status: ExchangeStatus
) -> None:
    executed = "1" if status is ExchangeStatus.FILLED else "0"
    ref = paper.put(7, status=status, executed_qty=executed)
    order = paper.exchange.orders.of_symbol("BTCUSDT").find(7)
    assert order is not None

    found = await paper.fetched([ref])

    answer = found.answers[ref]
    assert isinstance(answer, Report)
    assert answer.status == DIALECT.row_status(order.state)


async def test_a_status_that_nobody_knows_is_reported_as_unknown(paper: Paper) -> None:
    ref = paper.put(7, status="under_review")

    answer = (await paper.fetched([ref])).answers[ref]

    assert isinstance(answer, Report)
    assert (answer.word, answer.status) == ("under_review", None)


async def test_an_order_that_does_not_exist_is_absent_after_both_places(paper: Paper) -> None:
    paper.put(7)
    ref = OrderRef(symbol="BTC-USDT", external_order_id="1753197687182819328")

    found = await paper.fetched([ref])

    assert isinstance(found.answers[ref], Absent)
    archive = "orders_history_archive"
    assert paper.routes()[-3:] == ["order", archive, archive]


async def test_an_order_that_only_the_archive_has_is_found_there(paper: Paper) -> None:
    ref = paper.put(7, status="FILLED", executed_qty="1")
    paper.fault(route="order", refusal_rate=1, refusal_code=51603, refusal_status=200)

    answer = (await paper.fetched([ref])).answers[ref]

    assert isinstance(answer, Report)
    assert answer.status is Status.FILLED


async def test_an_order_stays_unanswered_while_its_second_place_fails(paper: Paper) -> None:
    paper.put(7)
    ref = OrderRef(symbol="BTC-USDT", external_order_id="1753197687182819328")
    paper.fault(route="orders_history_archive", error_rate=1)

    found = await paper.fetched([ref])

    assert found.answers == {}
    assert isinstance(found.failures[ref], Unavailable)


async def test_an_unlisted_symbol_holds_its_orders_and_the_rest_go_on(paper: Paper) -> None:
    good = [paper.put(number) for number in range(1, 120)]
    bad = [OrderRef(symbol="XYZ-USDT", external_order_id=ref.external_order_id) for ref in good]

    found = await paper.fetched([*good, *bad])

    assert found.failures == {}
    assert all(isinstance(found.answers[ref], Report) for ref in good)
    for ref in bad:
        fault = found.answers[ref]
        assert isinstance(fault, OrderFault)
        assert "does not list this symbol" in fault.detail


@pytest.mark.parametrize("symbol", ["BTC/USDT", "btc_usdt", "BTCUSDT", "btcusdt"])
async def test_a_symbol_is_found_as_people_write_it(paper: Paper, symbol: str) -> None:
    order_id = paper.put(7).external_order_id
    ref = OrderRef(symbol=symbol, external_order_id=order_id)

    answer = (await paper.fetched([ref])).answers[ref]

    assert isinstance(answer, Report)
    assert (answer.symbol, answer.external_order_id) == (symbol, order_id)


async def test_only_orders_whose_symbol_needs_the_list_fail_with_it(paper: Paper) -> None:
    plain = paper.put(7)
    needy = OrderRef(symbol="BTCUSDT", external_order_id=plain.external_order_id)
    paper.fault(route="public_instruments", error_rate=1)

    found = await paper.fetched([plain, needy])

    assert isinstance(found.answers[plain], Report)
    assert isinstance(found.failures[needy], Unavailable)


@pytest.mark.parametrize("order_id", ["b15", "", "+7", "9" * 40])
async def test_an_id_that_okx_cannot_have_is_never_asked_for(paper: Paper, order_id: str) -> None:
    ref = OrderRef(symbol="BTC-USDT", external_order_id=order_id)

    found = await paper.fetched([ref])

    assert isinstance(found.answers[ref], OrderFault)
    assert paper.routes() == []


async def test_one_unreadable_row_among_good_ones_fails_alone(paper: Paper) -> None:
    refs = [paper.put(number) for number in range(1, 60)]
    paper.fault(fields={"accFillSz": None}, only_order_ids=(7,))

    found = await paper.fetched(refs)

    assert set(found.failures) == {refs[6]}
    assert isinstance(found.failures[refs[6]], UnreadableRow)
    assert len(found.answers) == len(refs) - 1


async def test_an_empty_list_never_makes_an_order_absent(paper: Paper) -> None:
    refs = [paper.put(number) for number in range(1, 150)]
    paper.fault(empty_list_rate=1)

    found = await paper.fetched(refs)

    assert all(isinstance(found.answers[ref], Report) for ref in refs)


FAILURES: list[tuple[dict[str, Any], type[ExchangeError]]] = [
    ({"error_rate": 1}, Unavailable),
    ({"maintenance_rate": 1}, Unavailable),
    ({"disconnect_rate": 1}, Unavailable),
    ({"cut_rate": 1}, Malformed),
    ({"html_rate": 1}, Malformed),
    ({"rate_limit_rate": 1}, RateLimited),
    ({"bad_key_rate": 1}, Refused),
    ({"refusal_rate": 1, "refusal_code": 50113, "refusal_status": 401}, Refused),
    ({"refusal_rate": 1, "refusal_code": 50102, "refusal_status": 401}, ClockSkew),
    ({"refusal_rate": 1, "refusal_code": 50040, "refusal_status": 400}, RateLimited),
    ({"refusal_rate": 1, "refusal_code": 59999, "refusal_status": 400}, RequestRejected),
]


@pytest.mark.parametrize(("rule", "error"), FAILURES, ids=str)
@pytest.mark.parametrize("orders", [1, 150])
async def test_each_fault_is_a_named_failure_of_every_order(
    paper: Paper, orders: int, rule: dict[str, Any], error: type[Exception]
) -> None:
    refs = [paper.put(number) for number in range(1, orders + 1)]
    async with paper.opened() as adapter:
        await adapter.fetch_account()
        paper.fault(**rule)
        found = await adapter.fetch(refs)

    assert found.answers == {}
    assert set(found.failures) == set(refs)
    for failure in found.failures.values():
        assert isinstance(failure, error)
        assert SECRET not in str(failure)


async def test_a_clock_that_is_ahead_is_measured_and_signed_with(paper: Paper) -> None:
    ref = paper.put(7)
    paper.fault(clock_offset_ms=3_600_000)

    async with paper.opened() as adapter:
        account = await adapter.fetch_account()
        found = await adapter.fetch([ref])

    assert abs(account.clock_offset.total_seconds() - 3600) < 60
    assert isinstance(found.answers[ref], Report)


async def test_a_clock_that_moves_is_measured_again(paper: Paper) -> None:
    ref = paper.put(7)

    async with paper.opened() as adapter:
        await adapter.fetch_account()
        paper.fault(clock_offset_ms=3_600_000)
        found = await adapter.fetch([ref])

    assert isinstance(found.answers[ref], Report)


async def test_the_account_and_the_symbols_are_those_of_the_exchange(paper: Paper) -> None:
    paper.put(1)
    paper.put(2, symbol="ETHBTC")

    async with paper.opened() as adapter:
        account, symbols = await adapter.fetch_account(), await adapter.fetch_symbols()

    assert account.identity == str(ACCOUNT_UID)
    assert symbols == {"BTC-USDT", "ETH-BTC"}


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (replace(CREDENTIALS, api_secret=SecretStr("another")), "EXCHANGE_API_SECRET"),
        (replace(CREDENTIALS, passphrase=SecretStr("another")), "EXCHANGE_API_PASSPHRASE"),
        (replace(CREDENTIALS, api_key=SecretStr("another")), "EXCHANGE_API_KEY"),
    ],
    ids=["secret", "passphrase", "key"],
)
async def test_wrong_credentials_are_refused_with_a_hint(
    paper: Paper, wrong: Credentials, part: str
) -> None:
    async with paper.opened(credentials=wrong) as adapter:
        with pytest.raises(Refused) as raised:
            await adapter.fetch_account()

    assert part in raised.value.hint


async def test_a_missing_passphrase_is_named_before_anything_is_sent(paper: Paper) -> None:
    given = replace(CREDENTIALS, passphrase=None)

    with pytest.raises(ConfigurationError, match="EXCHANGE_API_PASSPHRASE is not set"):
        async with paper.opened(credentials=given):
            pass

    assert paper.routes() == []


async def test_demo_trading_is_named_if_the_key_belongs_elsewhere(paper: Paper) -> None:
    demo = Paper(paper.exchange, f"{paper.url}?simulated=1")
    async with demo.opened() as adapter:
        with pytest.raises(Refused) as raised:
            await adapter.fetch_account()

    assert "50101" in str(raised.value)
    assert "simulated=1" in raised.value.hint


async def test_an_order_that_is_not_ours_is_absent(paper: Paper) -> None:
    ours = paper.put(7, symbol="ETHUSDT")
    theirs = OrderRef(symbol="BTC-USDT", external_order_id=ours.external_order_id)
    paper.put(8)

    found = await paper.fetched([ours, theirs])

    assert isinstance(found.answers[ours], Report)
    assert isinstance(found.answers[theirs], Absent)
