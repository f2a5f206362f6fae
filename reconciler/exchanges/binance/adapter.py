"""Binance's adapter: it fetches a batch of orders in rounds of the cheapest queries.

    fetch -> rounds of queries      by reconciler.exchanges.order_search, with a plan of
                                    reconciler.exchanges.query_plan.ascending_ids
          -> one request each       sent by reconciler.exchanges.binance.api
          -> answers and failures   from reconciler.exchanges.binance.mapping

Guarantees:
1. An order gets an answer only from a listed order of its own symbol and id, or from its own
   look-up.
2. A failure reaches exactly the orders for which the request was sent.
3. An order that cannot be read fails alone.
4. No error's text carries a signature, a key or a token.
"""

from collections.abc import Iterable, Mapping
from functools import partial

import structlog

from reconciler.domain.report import Answer
from reconciler.errors import RequestRejected
from reconciler.exchanges.api_client import ApiResponse, VenueApi
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import (
    Failure,
    OrderRef,
    Venue,
)
from reconciler.exchanges.binance.api import BinanceApi
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
from reconciler.exchanges.binance.refs import invalid_reason, request_symbol
from reconciler.exchanges.query_plan.ascending_ids import AscendingIds
from reconciler.exchanges.query_plan.queries import GetOrder, ListOpenOrders, ListOrdersFrom, Query
from reconciler.exchanges.query_result import QueryResult
from reconciler.exchanges.ref_checks import without_leading_zeros
from reconciler.exchanges.venue_adapter import VenueAdapter
from reconciler.resilience.fault_isolation import Subject
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


class Binance(VenueAdapter):
    """One account at Binance."""

    _plan = AscendingIds(costs=COSTS)

    @staticmethod
    def _venue_api(venue: Venue, credentials: Credentials) -> VenueApi:
        return BinanceApi(venue.base_url, credentials)

    async def _fetch_identity(self) -> str | None:
        response = await self._api.get("/api/v3/account", {}, ACCOUNT_COST, decode_account)
        uid = response.value_or_raise().uid
        return None if uid is None else str(uid)

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

    def _request_id(self, external_order_id: str) -> str:
        return without_leading_zeros(external_order_id)

    def _invalid_reason(self, ref: OrderRef) -> str | None:
        return invalid_reason(ref)

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
