"""Bybit's adapter: it fetches a batch of orders in rounds of the cheapest queries.

    fetch -> rounds of queries      by reconciler.exchanges.order_search, with a plan of
                                    reconciler.exchanges.query_plan.any_ids
          -> one request each       written by reconciler.exchanges.bybit.api
          -> answers and failures   from reconciler.exchanges.bybit.mapping

An order is looked up in two places: `realtime` has the open orders and up to 500 that ended
recently, which a restart of Bybit's forgets; `history` has those that ended, as long as Bybit keeps
them. It is not found if neither has it. Lists give the open orders, and those that ended in the
last 7 days.

Guarantees:
1. An order gets an answer only from a row of its own symbol and id, or from its own look-up.
2. A failure reaches exactly the orders for which the request was sent.
3. An order that cannot be read fails alone.
4. No error's text carries a signature, a key or a token.
"""

from datetime import datetime
from functools import partial
from typing import assert_never
from urllib.parse import unquote

from reconciler.errors import Malformed, RequestRejected, Unavailable
from reconciler.exchanges.api_client import VenueApi
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import OrderRef, Venue
from reconciler.exchanges.bybit.api import BybitApi
from reconciler.exchanges.bybit.constants import (
    ACCOUNT_COST,
    ACCOUNT_PATH,
    CATEGORY,
    HISTORY_COST,
    HISTORY_PATH,
    MAX_SYMBOL_PAGES,
    MAX_SYMBOLS_BYTES,
    PAGE_SIZE,
    PUBLIC_COST,
    QUERIES,
    REALTIME_COST,
    REALTIME_PATH,
    SYMBOLS_PATH,
)
from reconciler.exchanges.bybit.decoding import decode_symbols, decode_user_id
from reconciler.exchanges.bybit.mapping import (
    decode_list,
    decode_lookup,
    result_of_list,
    result_of_lookup,
)
from reconciler.exchanges.bybit.refs import invalid_reason, request_symbol
from reconciler.exchanges.query_plan.any_ids import AnyIds
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    ListEndedOrders,
    ListOpenOrders,
    ListOrdersFrom,
    ManyOrders,
    Query,
)
from reconciler.exchanges.query_result import (
    QueryResult,
    firewall_reason,
    lookup_result,
    order_fault,
)
from reconciler.exchanges.venue_adapter import VenueAdapter
from reconciler.resilience.fault_isolation import Subject
from reconciler.resilience.limits import Cost
from reconciler.settings import Credentials

REQUESTS_AT_ONCE = 8
"""Half of a path's limit is 25 requests a second: eight at once reach it while an answer takes up
to 320 ms. Pages of a list follow one another, so most of the time fewer are in flight.
"""

ALL_SYMBOLS: Subject = ("all symbols",)
"""The subject of a list of all symbols, which may fail by itself, as a symbol may."""

_PLACES = ((REALTIME_PATH, REALTIME_COST), (HISTORY_PATH, HISTORY_COST))
"""Where an order is looked up, step by step."""


class Bybit(VenueAdapter):
    """One account at Bybit."""

    _plan = AnyIds(queries=QUERIES)

    @staticmethod
    def _venue_api(venue: Venue, credentials: Credentials) -> VenueApi:
        return BybitApi(venue.base_url, credentials)

    async def _fetch_identity(self) -> str | None:
        response = await self._api.get(ACCOUNT_PATH, {}, ACCOUNT_COST, decode_user_id)
        user_id = response.value_or_raise()
        return None if user_id is None else str(user_id)

    async def fetch_symbols(self) -> frozenset[str]:
        """Ask which spot symbols the exchange lists: those that trade now.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        symbols: set[str] = set()
        cursors: set[str] = set()
        cursor = ""
        while cursor not in cursors and len(cursors) < MAX_SYMBOL_PAGES:
            cursors.add(cursor)
            parameters = {"category": CATEGORY} | ({"cursor": unquote(cursor)} if cursor else {})
            page = await self._api.get_unsigned(
                SYMBOLS_PATH, parameters, PUBLIC_COST, decode_symbols, max_bytes=MAX_SYMBOLS_BYTES
            )
            symbols |= page.symbols
            cursor = page.next_cursor
            if not cursor and symbols:
                return frozenset(symbols)
        raise Malformed(f"{SYMBOLS_PATH}: the list of symbols does not end, or has none")

    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as `fetch` asks for it."""
        return request_symbol(symbol)

    def _invalid_reason(self, ref: OrderRef) -> str | None:
        return invalid_reason(ref)

    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        match query:
            case GetOrder(ref=ref, step=step):
                return await self._get_order(ref, step)
            case ListOpenOrders(symbol=symbol, cursor=cursor):
                return await self._list(REALTIME_PATH, REALTIME_COST, symbol, cursor, wanted)
            case ListEndedOrders(symbol=symbol, cursor=cursor):
                return await self._list(HISTORY_PATH, HISTORY_COST, symbol, cursor, wanted)
            case ManyOrders() | ListOrdersFrom():
                raise ValueError(f"{query} is no query for Bybit")
            case _:
                assert_never(query)

    async def _get_order(self, ref: OrderRef, step: int) -> QueryResult:
        path, cost = _PLACES[step]
        response = await self._api.get(
            path,
            {"category": CATEGORY, "orderId": ref.external_order_id},
            cost,
            partial(decode_lookup, ref),
            subject=(ref.symbol, ref.external_order_id),
        )
        if isinstance(response.value, ErrorResponse):
            return _result_of_error(ref, response.value, response.fetched_at)
        return result_of_lookup(ref, response.value, response.fetched_at)

    async def _list(
        self,
        path: str,
        cost: Cost,
        symbol: str | None,
        cursor: str | None,
        wanted: frozenset[OrderRef],
    ) -> QueryResult:
        parameters = {"category": CATEGORY, "limit": str(PAGE_SIZE)}
        if symbol is not None:
            parameters["symbol"] = symbol
        if cursor is not None:
            # It comes percent-encoded, and is to be sent so, once: as Bybit's own client does
            # (`prepare_payload` of pybit 5.17, read 2026-11-28).
            parameters["cursor"] = unquote(cursor)
        response = await self._api.get(
            path,
            parameters,
            cost,
            partial(decode_list, symbol),
            subject=ALL_SYMBOLS if symbol is None else (symbol,),
        )
        if isinstance(response.value, ErrorResponse):
            # The plan looks the orders up instead. That needs no symbol, and so finds more.
            raise RequestRejected(response.value.text)
        return result_of_list(wanted, response.value, response.fetched_at)


def _result_of_error(ref: OrderRef, error: ErrorResponse, fetched_at: datetime) -> QueryResult:
    """Return what an error says about `ref`, which a look-up has asked for.

    Raises:
        Unavailable: it says nothing about the order.
    """
    match error.kind:
        case ErrorKind.ORDER_NOT_FOUND:
            return lookup_result([ref], QueryResult(), fetched_at)
        case ErrorKind.UNKNOWN_SYMBOL | ErrorKind.BAD_PARAMETER:
            return QueryResult(answers={ref: order_fault(ref, error.text, fetched_at)})
        case ErrorKind.FIREWALL:
            fault = order_fault(ref, firewall_reason(error.text), fetched_at)
            return QueryResult(answers={ref: fault}, is_blocked=True)
        case _:
            raise Unavailable(error.text)
