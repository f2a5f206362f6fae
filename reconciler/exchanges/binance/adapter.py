"""Binance's adapter: it fetches a batch of orders in rounds of the cheapest queries.

    fetch -> rounds of queries      chosen by reconciler.exchanges.query_plan
          -> one request each       sent by reconciler.exchanges.binance.api_client
          -> answers and failures   from reconciler.exchanges.binance.mapping

Guarantees:
1. An order gets an answer only from a listed order of its own symbol and id, or from its own
   look-up.
2. A failure reaches exactly the orders for which the request was sent. If every further request
   would fail too (bad key, clock, rate limit), the rest of the batch fails without being sent.
3. An order that cannot be read fails alone.
4. No error's text carries a signature, a key or a token.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx
import structlog

from reconciler.domain.report import Answer, Report
from reconciler.domain.status import TERMINAL
from reconciler.domain.value import replace
from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ExchangeError,
    NotSent,
    RateLimited,
    Refused,
    RequestRejected,
)
from reconciler.exchanges import query_plan
from reconciler.exchanges.base import Account, Clock, Failure, LookupResult, OrderRef, Venue
from reconciler.exchanges.binance.api_client import ApiClient, ApiResponse
from reconciler.exchanges.binance.constants import (
    ACCOUNT_COST,
    COSTS,
    MAX_SYMBOLS_BYTES,
    SYMBOLS_COST,
    SYMBOLS_PARAMETERS,
    WEIGHT,
    ErrorKind,
)
from reconciler.exchanges.binance.decoding import (
    ErrorResponse,
    as_exception,
    decode_account,
    decode_symbols,
)
from reconciler.exchanges.binance.mapping import (
    QueryResult,
    decode_lookup,
    firewall_fault,
    order_fault,
    require_symbol,
    result_of_list,
    result_of_lookup,
)
from reconciler.exchanges.binance.raw_orders import RawOrders, decode_orders
from reconciler.exchanges.binance.refs import invalid_reason, request_refs, request_symbol
from reconciler.exchanges.query_plan import GetOrder, ListOpenOrders, ListOrdersFrom, Query
from reconciler.exchanges.request_policy import Sender
from reconciler.exchanges.unexpected_errors import unexpected_as_malformed
from reconciler.resilience.budget import Budget
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


@dataclass(kw_only=True, slots=True)
class _FetchState:
    """State that the requests of one `fetch` share. After `stopped_by` no more are sent."""

    semaphore: asyncio.Semaphore
    stopped_by: Failure | None = None


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
    ) -> None:
        """Ask `venue` through `client`, which `close` closes. `clock` is the database's."""
        self._venue = venue
        self._requests_at_once = requests_at_once
        self._clock = clock
        self._api = ApiClient(
            base_url=venue.base_url,
            client=client,
            sender=sender,
            budget=budget,
            credentials=credentials,
            clock=clock,
        )
        self._estimates = query_plan.Estimates()

    @property
    def venue(self) -> Venue:
        """The exchange's published facts."""
        return self._venue

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        """Ask about every order in `refs`, with the least weight that gives each an answer."""
        asked = request_refs(refs)
        invalid = {ref: reason for ref in asked.requested if (reason := invalid_reason(ref))}
        found = await self._search(ref for ref in asked.requested if ref not in invalid)
        now = self._clock()
        for ref, reason in invalid.items():
            found.answers[ref] = order_fault(ref, reason, now)
        return _as_spelled(found, asked.spellings)

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

    async def _search(self, refs: Iterable[OrderRef]) -> LookupResult:
        found = LookupResult()
        state = _FetchState(semaphore=asyncio.Semaphore(self._requests_at_once))
        search = query_plan.start(refs)
        while queries := query_plan.plan(search, COSTS, self._estimates):
            results = await self._send_round(queries, search, state)
            for result in results:
                found.answers.update(result.answers)
                found.failures.update(result.failures)
            pages = [result.page for result in results if result.page is not None]
            self._estimates = query_plan.learn(self._estimates, search, pages)
            search = query_plan.advance(
                search,
                settled=found.answers.keys() | found.failures.keys(),
                open_lists=[query for query in queries if isinstance(query, ListOpenOrders)],
                pages=pages,
                lookup_only=frozenset().union(*(result.lookup_only for result in results)),
            )
        self._learn_ended_share(found)
        return found

    def _learn_ended_share(self, found: LookupResult) -> None:
        statuses = [
            answer.status
            for answer in found.answers.values()
            if isinstance(answer, Report) and answer.status is not None
        ]
        self._estimates = self._estimates.after_batch(
            reported=len(statuses), ended=len([one for one in statuses if one in TERMINAL])
        )

    async def _send_round(
        self, queries: Sequence[Query], search: query_plan.SearchState, state: _FetchState
    ) -> list[QueryResult]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._send(query, search, state)) for query in queries]
        return [task.result() for task in tasks]

    async def _send(
        self, query: Query, search: query_plan.SearchState, state: _FetchState
    ) -> QueryResult:
        async with state.semaphore:
            if state.stopped_by is not None:
                return _failed(query, search, state.stopped_by)
            try:
                return await self._run(query, search)
            except (ExchangeError, BreakerOpen, NotSent) as failure:
                if isinstance(failure, Refused | ClockSkew | RateLimited | NotSent):
                    state.stopped_by = failure
                return _failed(query, search, failure)
            except Exception as error:  # noqa: BLE001 - one request's fault must not end the process
                return _failed(query, search, unexpected_as_malformed(error))

    async def _run(self, query: Query, search: query_plan.SearchState) -> QueryResult:
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
        if isinstance(response, RequestRejected):
            refs = query_plan.covered_orders(search, query)
            return await self._resolve_rejected_list(query, refs, response)
        if isinstance(response.value, ErrorResponse) and response.value.kind is ErrorKind.FIREWALL:
            # A list of all symbols names none of ours: the next round asks by symbol.
            if symbol is None:
                return QueryResult()
            refs = query_plan.covered_orders(search, query)
            return await self._resolve_blocked_list(refs, response.value)
        return result_of_list(query, query_plan.listable_orders(search, query), response)

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
        return QueryResult(answers=answers | rest, failures=failures)


def _by_number(refs: Iterable[OrderRef]) -> list[OrderRef]:
    return sorted(refs, key=lambda ref: int(ref.external_order_id))


def _failed(query: Query, search: query_plan.SearchState, failure: Failure) -> QueryResult:
    return QueryResult(failures=dict.fromkeys(query_plan.covered_orders(search, query), failure))


def _as_spelled(
    found: LookupResult, spellings: Mapping[OrderRef, Sequence[OrderRef]]
) -> LookupResult:
    """Return the result with every order's symbol and id spelled as in the caller's `refs`.

    `spellings` has the orders that are not spelled as they were requested, or not only so.
    """
    for requested, as_called in spellings.items():
        if requested in found.answers:
            answer = found.answers.pop(requested)
            found.answers |= {ref: _renamed(answer, ref) for ref in as_called}
        else:
            failure = found.failures.pop(requested)
            found.failures |= dict.fromkeys(as_called, failure)
    return found


def _renamed(answer: Answer, ref: OrderRef) -> Answer:
    return replace(answer, symbol=ref.symbol, external_order_id=ref.external_order_id)
