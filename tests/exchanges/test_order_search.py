"""What a search learns from lists that fail, and from a firewall that blocks orders."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from reconciler.errors import ExchangeError, Malformed, RequestRejected, Unavailable, UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.adapter import Binance
from reconciler.exchanges.order_search import (
    BLOCKED_SECONDS,
    FAILED_LISTS,
    MAX_LOOKED_UP_INSTEAD,
    OrderSearch,
)
from reconciler.exchanges.query_plan.queries import GetOrder, Query
from reconciler.exchanges.query_result import QueryResult, lookup_result, order_fault

AT = datetime(2026, 11, 29, tzinfo=UTC)
ABSENT_ID = "999"
BTC = frozenset(OrderRef(symbol="BTCUSDT", external_order_id=str(id_)) for id_ in range(1, 41))
ETH = frozenset(OrderRef(symbol="ETHUSDT", external_order_id=str(id_)) for id_ in range(1, 41))


class Exchange:
    """Answers every query as `answer` says; remembers what it was asked."""

    def __init__(self, answer: Callable[[Query, frozenset[OrderRef]], QueryResult]) -> None:
        self.now = 0.0
        self.asked: list[Query] = []
        self._answer = answer
        self.search = OrderSearch(
            plan=Binance._plan,
            run=self._run,
            requests_at_once=4,
            absent_order_id=ABSENT_ID,
            clock=lambda: self.now,
        )

    @property
    def looked_up(self) -> set[str]:
        return {query.ref.symbol for query in self.asked if isinstance(query, GetOrder)}

    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        self.asked.append(query)
        return self._answer(query, wanted)


def blocked(ref: OrderRef) -> QueryResult:
    return QueryResult(answers={ref: order_fault(ref, "blocked", AT)}, is_blocked=True)


def failing_lists(failures: Mapping[str, ExchangeError]) -> Exchange:
    """An exchange at which the lists of these symbols fail, and every look-up finds nothing."""

    def answer(query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        symbol = next(iter(wanted)).symbol
        if not isinstance(query, GetOrder) and symbol in failures:
            raise failures[symbol]
        return lookup_result(wanted, QueryResult(), AT)

    return Exchange(answer)


@pytest.mark.parametrize("failure", [Unavailable("HTTP 500"), Malformed("no JSON")], ids=repr)
async def test_only_orders_whose_lists_fail_again_and_again_are_looked_up(
    failure: ExchangeError,
) -> None:
    exchange = failing_lists({"BTCUSDT": failure})

    for _ in range(FAILED_LISTS):
        found = await exchange.search.find(BTC | ETH)
        assert found.failures.keys() == BTC
        assert exchange.looked_up == set()
    found = await exchange.search.find(BTC | ETH)

    assert found.answers.keys() == BTC | ETH
    assert exchange.looked_up == {"BTCUSDT"}


async def test_an_outage_of_lists_makes_few_look_ups_of_many_orders() -> None:
    many = frozenset(
        OrderRef(symbol="BTCUSDT", external_order_id=str(id_))
        for id_ in range(1, 2 * MAX_LOOKED_UP_INSTEAD)
    )
    failures: dict[str, ExchangeError] = {"BTCUSDT": Unavailable("HTTP 500")}
    exchange = failing_lists(failures)
    for _ in range(FAILED_LISTS):
        await exchange.search.find(many)
    failures.clear()

    found = await exchange.search.find(many)

    assert found.answers.keys() == many
    assert sum(isinstance(query, GetOrder) for query in exchange.asked) == MAX_LOOKED_UP_INSTEAD


async def test_an_unreadable_row_is_no_failed_list() -> None:
    ref, *_ = BTC
    one = frozenset({ref})
    exchange = Exchange(lambda _, __: QueryResult(failures={ref: UnreadableRow("no number")}))

    for _ in range(FAILED_LISTS + 1):
        await exchange.search.find(one)
    before = len(exchange.asked)
    await exchange.search.find(one)

    assert type(exchange.asked[before]) is type(exchange.asked[0])


async def test_nothing_is_sent_for_a_time_where_a_firewall_blocks_every_order() -> None:
    exchange = Exchange(lambda _, wanted: blocked(next(iter(wanted))))
    ref, *_ = BTC
    one = frozenset({ref})

    first = await exchange.search.find(one)
    sent = len(exchange.asked)
    exchange.now += BLOCKED_SECONDS - 1
    second = await exchange.search.find(one)
    quiet = len(exchange.asked) - sent
    exchange.now += 1
    await exchange.search.find(one)

    for found in (first, second):
        assert found.answers == {}
        assert "refuses every request about an order" in str(found.failures[ref])
    assert (sent, quiet, len(exchange.asked)) == (2, 0, 4)


async def test_a_probe_that_fails_by_itself_is_no_proof_that_others_pass() -> None:
    def answer(_: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        (ref,) = wanted
        if ref.external_order_id == ABSENT_ID:
            raise RequestRejected("timed out; the exchange answers for others", is_answer=False)
        return blocked(ref)

    exchange = Exchange(answer)
    ref, *_ = BTC

    found = await exchange.search.find({ref})

    assert (found.answers, type(found.failures[ref])) == ({}, Unavailable)


async def test_orders_that_are_blocked_at_once_share_one_probe() -> None:
    def answer(_: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        (ref,) = wanted
        if ref.external_order_id == ABSENT_ID:
            return lookup_result(wanted, QueryResult(), AT)
        return blocked(ref)

    exchange = Exchange(answer)
    refs = {OrderRef(symbol=f"X{number}USDT", external_order_id="1") for number in range(8)}

    found = await exchange.search.find(refs)

    assert found.answers.keys() == refs
    probes = [
        query
        for query in exchange.asked
        if isinstance(query, GetOrder) and query.ref.external_order_id == ABSENT_ID
    ]
    assert len(probes) == 1
