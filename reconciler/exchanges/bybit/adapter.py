"""Bybit's adapter: it fetches a batch of orders in rounds of the cheapest queries.

    fetch -> rounds of queries      by reconciler.exchanges.order_search, with a plan of
                                    reconciler.exchanges.query_plan.any_ids
          -> one request each       written by reconciler.exchanges.bybit.venue_api
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

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import assert_never
from urllib.parse import unquote

import httpx

from reconciler.errors import Malformed, RequestRejected, Unavailable
from reconciler.exchanges.api_client import ApiClient
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse, as_exception
from reconciler.exchanges.base import Account, Clock, LookupResult, OrderRef, RequestTrial, Venue
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
from reconciler.exchanges.bybit.venue_api import BybitApi
from reconciler.exchanges.order_search import OrderSearch
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
from reconciler.exchanges.request_policy import Sender
from reconciler.exchanges.spelling import as_called, request_refs
from reconciler.resilience.budget import Budget
from reconciler.resilience.fault_isolation import Subject
from reconciler.resilience.limits import Cost
from reconciler.resilience.nonces import Nonces
from reconciler.settings import Credentials

REQUESTS_AT_ONCE = 8
"""Half of a path's limit is 25 requests a second: eight at once reach it while an answer takes up
to 320 ms. Pages of a list follow one another, so most of the time fewer are in flight.
"""

ALL_SYMBOLS: Subject = ("all symbols",)
"""The subject of a list of all symbols, which may fail by itself, as a symbol may."""

_PLACES = ((REALTIME_PATH, REALTIME_COST), (HISTORY_PATH, HISTORY_COST))
"""Where an order is looked up, step by step."""


class Bybit:
    """One account at Bybit. Implements `reconciler.exchanges.base.Exchange`."""

    def __init__(
        self,
        *,
        venue: Venue,
        client: httpx.AsyncClient,
        sender: Sender,
        budget: Budget,
        credentials: Credentials,
        clock: Clock,
        nonces: Nonces | None = None,  # noqa: ARG002 - the protocol's: Bybit has none
        requests_at_once: int = REQUESTS_AT_ONCE,
    ) -> None:
        """Ask `venue` through `client`, which `close` closes. `clock` is the database's."""
        self._venue = venue
        self._clock = clock
        self._api = ApiClient(
            BybitApi(venue.base_url, credentials),
            client=client,
            sender=sender,
            budget=budget,
            credentials=credentials,
            clock=clock,
        )
        self._search = OrderSearch(
            plan=AnyIds(queries=QUERIES),
            run=self._run,
            requests_at_once=requests_at_once,
            absent_order_id=venue.absent_order_id,
        )

    @property
    def venue(self) -> Venue:
        """The exchange's published facts."""
        return self._venue

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        """Ask about every order in `refs`, with the least requests that give each an answer."""
        asked = request_refs(refs, request_symbol)
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
        """Ask which user the key belongs to, and how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """
        response = await self._api.get(ACCOUNT_PATH, {}, ACCOUNT_COST, decode_user_id)
        if isinstance(response.value, ErrorResponse):
            raise as_exception(response.value)
        return Account(
            identity=None if response.value is None else str(response.value),
            clock_offset=await self._api.server_offset(),
        )

    async def fetch_clock_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours. Every call sends a request.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        return await self._api.measure_offset()

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
            if not cursor:
                return frozenset(symbols)
        raise Malformed(f"{SYMBOLS_PATH}: the list of symbols does not end")

    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as `fetch` asks for it."""
        return request_symbol(symbol)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

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
            return lookup_result([ref], answers={}, failures={}, fetched_at=fetched_at)
        case ErrorKind.UNKNOWN_SYMBOL | ErrorKind.BAD_PARAMETER:
            return QueryResult(answers={ref: order_fault(ref, error.text, fetched_at)})
        case ErrorKind.FIREWALL:
            fault = order_fault(ref, firewall_reason(error.text), fetched_at)
            return QueryResult(answers={ref: fault}, is_blocked=True)
        case _:
            raise Unavailable(error.text)
