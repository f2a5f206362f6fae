"""Binance's adapter: it fetches a batch of orders in rounds of the cheapest queries.

    fetch -> rounds of queries      by reconciler.exchanges.order_search, with a plan of
                                    reconciler.exchanges.query_plan.ascending_ids
          -> one request each       sent by reconciler.exchanges.binance.api_client
          -> answers and failures   from reconciler.exchanges.binance.mapping

Guarantees:
1. An order gets an answer only from a listed order of its own symbol and id, or from its own
   look-up.
2. A failure reaches exactly the orders for which the request was sent.
3. An order that cannot be read fails alone.
4. No error's text carries a signature, a key or a token.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial

import httpx
import structlog

from reconciler.domain.report import Answer
from reconciler.errors import RequestRejected
from reconciler.exchanges.api_client import ApiClient, ApiResponse
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse, as_exception
from reconciler.exchanges.base import (
    Account,
    Clock,
    Failure,
    LookupResult,
    OrderRef,
    RequestTrial,
    Venue,
)
from reconciler.exchanges.binance.api_client import BinanceApi
from reconciler.exchanges.binance.constants import (
    ACCOUNT_COST,
    COSTS,
    MAX_SYMBOLS_BYTES,
    SYMBOLS_COST,
    SYMBOLS_PARAMETERS,
    WEIGHT,
)
from reconciler.exchanges.binance.decoding import decode_account, decode_symbols
from reconciler.exchanges.binance.mapping import (
    decode_lookup,
    firewall_fault,
    require_symbol,
    result_of_list,
    result_of_lookup,
)
from reconciler.exchanges.binance.raw_orders import RawOrders, decode_orders
from reconciler.exchanges.binance.refs import invalid_reason, request_id, request_symbol
from reconciler.exchanges.order_search import OrderSearch
from reconciler.exchanges.query_plan.ascending_ids import AscendingIds
from reconciler.exchanges.query_plan.queries import GetOrder, ListOpenOrders, ListOrdersFrom, Query
from reconciler.exchanges.query_result import QueryResult, order_fault
from reconciler.exchanges.request_policy import Sender
from reconciler.exchanges.spelling import as_called, request_refs
from reconciler.resilience.budget import Budget
from reconciler.resilience.fault_isolation import Subject
from reconciler.resilience.nonces import Nonces
from reconciler.settings import Credentials

REQUESTS_AT_ONCE = 4
"""By `scripts/bench --only lookups`: with the exchange 20 ms away eight at once do more look-ups a
second, but four do six times what all of Binance's limit allows. Fewer at once means fewer requests
in flight when the exchange limits our rate.
"""

ALL_SYMBOLS: Subject = ("all symbols",)
"""The subject of a list of all open orders, which may fail by itself, as a symbol may."""

LOOKUPS_BEFORE_BLAMING_SYMBOL = 2
"""A firewall may block one order's number; two orders have only their symbol in common."""

log = structlog.get_logger(__name__)


class Binance:
    """One account at Binance. Implements `reconciler.exchanges.base.Exchange`."""

    def __init__(
        self,
        *,
        venue: Venue,
        client: httpx.AsyncClient,
        sender: Sender,
        budget: Budget,
        credentials: Credentials,
        clock: Clock,
        requests_at_once: int = REQUESTS_AT_ONCE,
        nonces: Nonces | None = None,  # noqa: ARG002 - the protocol's: Binance wants none
    ) -> None:
        """Ask `venue` through `client`, which `close` closes. `clock` is the database's."""
        self._venue = venue
        self._clock = clock
        self._api = ApiClient(
            BinanceApi(venue.base_url, credentials),
            client=client,
            sender=sender,
            budget=budget,
            credentials=credentials,
            clock=clock,
        )
        self._search = OrderSearch(
            plan=AscendingIds(costs=COSTS),
            run=self._run,
            requests_at_once=requests_at_once,
            absent_order_id=venue.absent_order_id,
        )

    @property
    def venue(self) -> Venue:
        """The exchange's published facts."""
        return self._venue

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        """Ask about every order in `refs`, with the least weight that gives each an answer."""
        asked = request_refs(refs, request_symbol, request_id)
        invalid = {ref: reason for ref in asked.requested if (reason := invalid_reason(ref))}
        found = await self._search.find(ref for ref in asked.requested if ref not in invalid)
        now = self._clock()
        for ref, reason in invalid.items():
            found.answers[ref] = order_fault(ref, reason, now)
        return as_called(found, asked.spellings)

    async def try_requests(self, ref: OrderRef) -> Sequence[RequestTrial]:
        """Send one request of each kind, about an order that does not exist."""
        return await self._search.try_each(ref)

    async def fetch_account(self) -> Account:
        """Ask which account the key belongs to, and how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """
        response = await self._api.get("/api/v3/account", {}, ACCOUNT_COST, decode_account)
        if isinstance(response.value, ErrorResponse):
            raise as_exception(response.value)
        uid = response.value.uid
        return Account(
            identity=None if uid is None else str(uid),
            clock_offset=await self._api.server_offset(),
        )

    async def fetch_clock_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours. Every call sends a request.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        return await self._api.measure_offset()

    async def fetch_symbols(self) -> frozenset[str]:
        """Ask which symbols the exchange lists, whether they trade now or not.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        return await self._api.get_unsigned(
            "/api/v3/exchangeInfo",
            SYMBOLS_PARAMETERS,
            SYMBOLS_COST,
            decode_symbols,
            max_bytes=MAX_SYMBOLS_BYTES,
        )

    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as `fetch` asks for it."""
        return request_symbol(symbol)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        match query:
            case GetOrder(ref=ref):
                return await self._get_order(ref)
            case ListOpenOrders(symbol=symbol):
                parameters = {} if symbol is None else {"symbol": symbol}
                weight = COSTS.all_open_orders if symbol is None else COSTS.open_orders
                response = await self._list("/api/v3/openOrders", parameters, weight, symbol)
            case ListOrdersFrom(symbol=symbol, from_id=from_id):
                parameters = {
                    "symbol": symbol,
                    "orderId": str(from_id),
                    "limit": str(COSTS.page_size),
                }
                weight = COSTS.history_page
                response = await self._list("/api/v3/allOrders", parameters, weight, symbol)
            case _:
                raise ValueError(f"{query} is no query for Binance")
        if isinstance(response, RequestRejected):
            return await self._resolve_rejected_list(query, wanted, response)
        if isinstance(response.value, ErrorResponse) and response.value.kind is ErrorKind.FIREWALL:
            # A list of all symbols names none of ours: the next round asks by symbol.
            if symbol is None:
                return QueryResult()
            return await self._resolve_blocked_list(wanted, response.value)
        return result_of_list(query, wanted, response)

    async def _get_order(self, ref: OrderRef) -> QueryResult:
        parameters = {"symbol": ref.symbol, "orderId": ref.external_order_id}
        response = await self._api.get(
            "/api/v3/order",
            parameters,
            {WEIGHT: COSTS.one_order},
            partial(decode_lookup, ref),
            subject=(ref.symbol, ref.external_order_id),
        )
        return result_of_lookup(ref, response)

    async def _list(
        self, path: str, parameters: Mapping[str, str], weight: int, symbol: str | None
    ) -> ApiResponse[RawOrders] | RequestRejected:
        try:
            return await self._api.get(
                path,
                parameters,
                {WEIGHT: weight},
                lambda body: require_symbol(symbol, decode_orders(body)),
                subject=ALL_SYMBOLS if symbol is None else (symbol,),
            )
        except RequestRejected as rejection:
            return rejection

    async def _resolve_rejected_list(
        self,
        query: ListOpenOrders | ListOrdersFrom,
        refs: frozenset[OrderRef],
        rejection: RequestRejected,
    ) -> QueryResult:
        """Find out whether the exchange rejects the list alone, or everything about its symbol.

        Look up the first orders. If none is answered, the symbol is rejected, and all its orders
        fail. Otherwise the next round looks up every order of the list.
        """
        log.warning("exchange.list_rejected", symbol=query.symbol, reason=str(rejection))
        if query.symbol is None:
            return QueryResult()  # The next round asks by symbol.
        failures: dict[OrderRef, Failure] = {}
        for ref in _by_number(refs)[:LOOKUPS_BEFORE_BLAMING_SYMBOL]:
            try:
                result = await self._get_order(ref)
            except RequestRejected as own:
                failures[ref] = own
            else:
                return QueryResult(answers=result.answers, failures=failures, lookup_only=refs)
        return QueryResult(failures=dict.fromkeys(refs, rejection) | failures)

    async def _resolve_blocked_list(
        self, refs: frozenset[OrderRef], error: ErrorResponse
    ) -> QueryResult:
        """Find out whether a firewall blocks the symbol of a list, or something else in it.

        Look up the first orders. If all are blocked, the symbol is, and every order gets that
        answer. Otherwise the next round goes on with the other orders.
        """
        answers: dict[OrderRef, Answer] = {}
        failures: dict[OrderRef, Failure] = {}
        ordered = _by_number(refs)
        for ref in ordered[:LOOKUPS_BEFORE_BLAMING_SYMBOL]:
            result = await self._get_order(ref)
            answers.update(result.answers)
            failures.update(result.failures)
            if not result.is_blocked:
                return QueryResult(answers=answers, failures=failures)
        now = self._clock()
        rest = {ref: firewall_fault(ref, error.text, now) for ref in ordered if ref not in answers}
        return QueryResult(answers=answers | rest, failures=failures, is_blocked=True)


def _by_number(refs: Iterable[OrderRef]) -> list[OrderRef]:
    return sorted(refs, key=lambda ref: int(ref.external_order_id))
