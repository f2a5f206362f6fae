"""The Bybit adapter against the paper exchange, which was written independently of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import (
    ClockSkew,
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
)
from reconciler.exchanges.base import Exchange, LookupResult, OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.paper.dialects.bybit.dialect import BybitDialect
from reconciler.paper.dialects.bybit.routes import BybitRoutes
from reconciler.paper.dialects.dialect import PaperRequest
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.listing import OrderSpec, build_order
from reconciler.paper.new_keys import NewKey, new_hmac_key
from reconciler.paper.orders import PaperOrder, SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, RecordingBudget

T = TypeVar("T")

ORDERS = 600
DOCUMENTED_PARAMETERS = {
    "realtime": {"category", "symbol", "orderId", "limit", "cursor"},
    "history": {"category", "symbol", "orderId", "limit", "cursor"},
    "query-api": set(),
    "time": set(),
    "instruments-info": {"category", "cursor"},
}
"""Those of the pages that the adapter may use. Bybit ignores others, so that a typing error in one
would give the list of everything."""


@dataclass
class Paper:
    """The paper exchange with Bybit's dialect, and what was sent to it."""

    url: str
    server: PaperExchange
    key: NewKey
    requests: list[PaperRequest]
    sender: DirectSender = field(default_factory=DirectSender)
    budget: RecordingBudget = field(default_factory=RecordingBudget)

    def opened(self, api_secret: str | None = None) -> Exchange:
        return open_exchange(
            venue("bybit", self.url),
            credentials=Credentials(
                api_key=SecretStr(self.key.api_key),
                api_secret=SecretStr(api_secret or self.key.api_secret),
            ),
            sender=self.sender,
            budget=self.budget,
            clock=lambda: datetime.now(UTC),
        )

    async def fetch(self, *refs: OrderRef) -> LookupResult:
        exchange = self.opened()
        try:
            return await exchange.fetch(refs)
        finally:
            await exchange.close()

    def ref(self, order: PaperOrder) -> OrderRef:
        return OrderRef(
            symbol=order.symbol, external_order_id=self.server.dialect.order_id(order.order_id)
        )

    def place(self, number: int, **spec: Any) -> OrderRef:
        given = OrderSpec(symbol=spec.pop("symbol", "BTCUSDT"), order_id=number, **spec)
        order = build_order(given, self.server.clock_ms())
        self.server.orders.put(order)
        return self.ref(order)

    def sent(self) -> list[tuple[str, dict[str, list[str]]]]:
        """Return the routes and parameters of the requests about orders, and forget them."""
        told = [
            (request.route.name, parse_qs(request.query))
            for request in self.requests
            if request.route.is_private
        ]
        self.requests.clear()
        return told


class RecordingDialect(BybitDialect):
    """Records each request, as the exchange has read it."""

    def __init__(self, requests: list[PaperRequest], behavior: BybitRoutes) -> None:
        super().__init__(behavior=behavior)
        object.__setattr__(self, "requests", requests)

    def target(self, request: PaperRequest) -> Any:
        requests: list[PaperRequest] = self.__dict__["requests"]
        requests.append(request)
        return super().target(request)


@contextmanager
def served(*, orders: int = ORDERS, **behavior: Any) -> Iterator[Paper]:
    key = new_hmac_key()
    requests: list[PaperRequest] = []
    server = replace(
        new_exchange("bybit", access=key.access, has_limits=False),
        dialect=RecordingDialect(requests, BybitRoutes(**behavior)),
    )
    server.seed(SeedOptions(orders=orders, symbols=6, hot_share=0.5))
    with serve_in_thread(server) as url:
        yield Paper(url=url, server=server, key=key, requests=requests)


@pytest.fixture
def paper() -> Iterator[Paper]:
    with served() as paper:
        yield paper


def wrong_answers(paper: Paper, found: LookupResult) -> list[object]:
    """Return the answers that differ from the orders at the exchange."""
    orders = {paper.ref(order): order for order in paper.server.orders}
    wrong: list[object] = [*found.failures.items()]
    for ref, answer in found.answers.items():
        state = orders[ref].state
        expected = paper.server.dialect.row_status(state)
        is_right = (
            isinstance(answer, Report)
            and answer.executed_qty == state.executed_qty
            and answer.word == paper.server.dialect.word(state)
            and (answer.status is expected or (expected is Status.PARTIAL and answer.executed_qty))
            and answer.quantity is not None
            and (answer.avg_price is None) is (state.executed_e8 == 0)
        )
        if not is_right:
            wrong.append((ref, answer, state))
    return wrong


@pytest.mark.parametrize("recently_ended", [500, 0], ids=["as usual", "after Bybit's restart"])
async def test_every_order_of_the_paper_exchange_is_reported_as_it_is(recently_ended: int) -> None:
    with served(recently_ended=recently_ended) as paper:
        refs = [paper.ref(order) for order in paper.server.orders]

        found = await paper.fetch(*refs)

        assert wrong_answers(paper, found) == []
        assert set(found.answers) == set(refs)
        assert len(paper.sender.costs) < ORDERS / 10


@pytest.mark.parametrize("recently_ended", [500, 0], ids=["as usual", "after Bybit's restart"])
async def test_each_order_is_found_by_itself(recently_ended: int) -> None:
    with served(orders=60, recently_ended=recently_ended) as paper:
        exchange = paper.opened()
        for order in paper.server.orders:
            found = await exchange.fetch([paper.ref(order)])
            assert wrong_answers(paper, found) == []
            assert list(found.answers) == [paper.ref(order)]
        await exchange.close()


async def test_only_documented_parameters_are_sent(paper: Paper) -> None:
    exchange = paper.opened()

    await exchange.fetch_account()
    await exchange.fetch_symbols()
    await exchange.fetch([paper.ref(order) for order in paper.server.orders])
    await exchange.fetch([paper.ref(next(iter(paper.server.orders)))])
    await exchange.close()

    seen = {request.route.name for request in paper.requests}
    assert seen == set(DOCUMENTED_PARAMETERS)
    for request in paper.requests:
        assert set(parse_qs(request.query)) <= DOCUMENTED_PARAMETERS[request.route.name]
        assert request.method == "GET"


async def test_each_request_takes_from_the_limit_that_its_answer_tells_about(paper: Paper) -> None:
    exchange = paper.opened()

    await exchange.fetch_account()
    await exchange.fetch([paper.ref(order) for order in paper.server.orders])
    await exchange.close()

    told = [reading.name for reading in paper.budget.readings]
    taken = [name for cost in paper.sender.costs for name in cost if name != "address"]
    assert sorted(told) == sorted(taken)
    assert {"user_query_api", "order_realtime"} <= set(told)
    assert all(cost["address"] == 1 for cost in paper.sender.costs)


async def test_order_that_is_nowhere_is_absent_after_both_places_were_asked(paper: Paper) -> None:
    lost = OrderRef(symbol="BTCUSDT", external_order_id="1000000000000000001")

    found = await paper.fetch(lost)

    assert isinstance(found.answers[lost], Absent)
    assert paper.sent() == [
        ("realtime", {"category": ["spot"], "orderId": ["1000000000000000001"]}),
        ("history", {"category": ["spot"], "orderId": ["1000000000000000001"]}),
    ]


async def test_forgotten_order_is_absent_and_one_with_fills_is_not() -> None:
    with served(orders=0, forgets=True, recently_ended=0) as paper:
        yesterday = paper.server.clock_ms() - 25 * 3600 * 1000
        canceled = paper.place(1, status="CANCELED", created_at=yesterday)
        filled = paper.place(2, status="FILLED", executed_qty="1", created_at=yesterday)

        found = await paper.fetch(canceled, filled)

        assert isinstance(found.answers[canceled], Absent)
        assert wrong_answers(paper, LookupResult(answers={filled: found.answers[filled]})) == []


@pytest.mark.parametrize("spelling", ["BTC/USDT", "btc-usdt", "BTC_USDT", "btcusdt"])
async def test_symbol_may_be_spelled_in_other_ways(paper: Paper, spelling: str) -> None:
    ref = paper.place(1, status="FILLED", executed_qty="1")
    asked = OrderRef(symbol=spelling, external_order_id=ref.external_order_id)

    found = await paper.fetch(asked, ref)

    answers = [found.answers[one] for one in (asked, ref)]
    assert [answer.symbol for answer in answers] == [spelling, "BTCUSDT"]
    assert all(isinstance(answer, Report) for answer in answers)


async def test_order_of_another_symbol_is_a_fault_that_names_it(paper: Paper) -> None:
    ref = paper.place(1, status="FILLED", executed_qty="1", symbol="ETHUSDT")
    asked = OrderRef(symbol="BTCUSDT", external_order_id=ref.external_order_id)

    found = await paper.fetch(asked)

    answer = found.answers[asked]
    assert isinstance(answer, OrderFault)
    assert "'ETHUSDT'" in answer.detail


async def test_symbol_that_is_not_listed_leaves_the_others_alone(paper: Paper) -> None:
    good = [paper.ref(order) for order in paper.server.orders]
    misspelt = [
        OrderRef(symbol="NOSUCHUSDT", external_order_id=str(number))
        for number in range(10**6, 10**6 + 80)
    ]

    found = await paper.fetch(*good, *misspelt)

    assert (
        wrong_answers(paper, LookupResult(answers={ref: found.answers[ref] for ref in good})) == []
    )
    assert all(isinstance(found.answers[ref], Absent) for ref in misspelt)


@pytest.mark.parametrize(
    ("symbol", "order_id"),
    [
        ("BTC USDT", "1"),
        ("BTC/USDT:USDT", "1"),
        ("", "1"),
        ("B" * 200, "1"),
        ("BTCUSDT", "my_order_1"),
        ("BTCUSDT", "1' OR 1=1"),
        ("BTCUSDT", ""),
        ("BTCUSDT", "1" * 200),
    ],
    ids=str,
)
async def test_impossible_symbol_or_id_is_a_fault_and_sends_nothing(
    paper: Paper, symbol: str, order_id: str
) -> None:
    ref = OrderRef(symbol=symbol, external_order_id=order_id)

    found = await paper.fetch(ref)

    assert isinstance(found.answers[ref], OrderFault)
    assert paper.requests == []


async def test_unreadable_order_fails_alone(paper: Paper) -> None:
    refs = [paper.ref(order) for order in paper.server.orders]
    order = next(iter(paper.server.orders))
    rule = FaultRule(only_order_ids=(order.order_id,), fields={"cumExecQty": None})
    paper.server.faults.set(rule, paper.server.clock_ms())

    found = await paper.fetch(*refs)

    assert list(found.failures) == [paper.ref(order)]
    del found.failures[paper.ref(order)]
    assert wrong_answers(paper, found) == []


async def test_unknown_status_is_reported_with_its_word(paper: Paper) -> None:
    ref = paper.place(1, status="Hibernating", executed_qty="0.5")

    found = await paper.fetch(ref)

    answer = found.answers[ref]
    assert isinstance(answer, Report)
    assert (answer.word, answer.status) == ("Hibernating", None)


async def test_partial_fill_of_a_canceled_order_is_kept(paper: Paper) -> None:
    ref = paper.place(1, status="CANCELED", executed_qty="0.5", quote_qty="49.9")

    found = await paper.fetch(ref)

    answer = found.answers[ref]
    assert isinstance(answer, Report)
    assert answer.word == "PartiallyFilledCanceled"
    assert answer.status is Status.CANCELED
    assert (str(answer.executed_qty), str(answer.avg_price)) == ("0.5", "99.8")


@pytest.mark.parametrize(
    ("rule", "failure"),
    [
        (FaultRule(error_rate=1), Unavailable),
        (FaultRule(maintenance_rate=1), Unavailable),
        (FaultRule(cut_rate=1), Malformed),
        (FaultRule(html_rate=1), Malformed),
        (FaultRule(rate_limit_rate=1, retry_after_seconds=7), RateLimited),
        (FaultRule(ban_rate=1, ban_seconds=600), RateLimited),
        (FaultRule(refusal_rate=1, refusal_status=400, refusal_code=1), RequestRejected),
    ],
    ids=["error", "maintenance", "cut", "html", "rate limit", "ban", "refusal"],
)
@pytest.mark.parametrize("route", ["realtime", "*"])
async def test_failure_of_the_exchange_is_no_answer_about_any_order(
    paper: Paper, rule: FaultRule, failure: type[ExchangeError], route: str
) -> None:
    refs = [paper.ref(order) for order in paper.server.orders][:30]
    paper.server.faults.set(
        FaultRule(
            **{name: getattr(rule, name) for name in rule.__struct_fields__} | {"route": route}
        ),
        paper.server.clock_ms(),
    )

    found = await paper.fetch(*refs)

    assert found.answers == {}
    assert {type(error) for error in found.failures.values()} == {failure}


async def test_bad_key_is_refused_with_a_hint(paper: Paper) -> None:
    exchange = paper.opened(api_secret="another")
    refs = [paper.ref(order) for order in paper.server.orders]

    with pytest.raises(Refused) as caught:
        await exchange.fetch_account()
    found = await exchange.fetch(refs)
    await exchange.close()

    assert "EXCHANGE_API_SECRET" in caught.value.hint
    assert {type(error) for error in found.failures.values()} == {Refused}
    assert len(paper.requests) < 20, "a refused key was tried on"


async def test_clock_that_changes_is_read_again(paper: Paper) -> None:
    ref = paper.place(1)
    exchange = paper.opened()
    await exchange.fetch([ref])
    paper.server.faults.set(FaultRule(clock_offset_ms=60_000), paper.server.clock_ms())

    found = await exchange.fetch([ref])
    offset = await exchange.fetch_clock_offset()
    await exchange.close()

    assert list(found.answers) == [ref]
    assert 59 < offset.total_seconds() < 90


async def test_clock_that_is_refused_twice_is_an_error(paper: Paper) -> None:
    ref = paper.place(1)
    paper.server.faults.set(
        FaultRule(route="realtime", clock_offset_ms=60_000), paper.server.clock_ms()
    )

    found = await paper.fetch(ref)

    assert type(found.failures[ref]) is ClockSkew


async def test_account_is_the_user_of_the_key(paper: Paper) -> None:
    exchange = paper.opened()
    own = await exchange.fetch_account()
    paper.server.faults.set(FaultRule(account_uid=42), paper.server.clock_ms())
    other = await exchange.fetch_account()
    await exchange.close()

    assert (own.identity, other.identity) == ("8900", "42")


async def test_symbols_are_those_of_the_exchange(paper: Paper) -> None:
    exchange = paper.opened()

    symbols = await exchange.fetch_symbols()
    await exchange.close()

    assert symbols == set(paper.server.orders.symbols())
    assert {exchange.request_symbol(symbol) for symbol in symbols} == symbols


async def test_emptied_lists_lose_no_order(paper: Paper) -> None:
    refs = [paper.ref(order) for order in paper.server.orders if order.state.is_open]
    paper.server.faults.set(FaultRule(empty_list_rate=1, for_requests=1), paper.server.clock_ms())

    found = await paper.fetch(*refs)

    assert wrong_answers(paper, found) == []
    assert set(found.answers) == set(refs)
