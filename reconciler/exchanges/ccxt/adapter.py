"""The bridge to the exchanges that ccxt knows. Implements `reconciler.exchanges.base.Exchange`.

    fetch -> symbols of spot markets      markets that ccxt loads once
          -> rounds of queries            chosen by reconciler.exchanges.query_plan
          -> one method of ccxt each      sent by a `Sender`, under our limits and our breaker
          -> reports                      from what the exchange stated: see reports, statuses

Guarantees:
1. An order gets an answer only from an order of its own id and market, or from its own look-up.
2. "Not found" is only what ccxt raises as `OrderNotFound` for the order's own look-up: because the
   answer names that error, or finds no order in an answer of the form that the exchange's have. A
   page of HTML has no order either.
3. ccxt neither waits nor retries by itself: our limits, our retries and our breaker do.
4. Every exception of ccxt becomes one of ours; its text carries no signature and no key.
5. The account is refused for a denied request only if the key is denied another market, too.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any

import httpx

from reconciler.domain.report import Answer, OrderFault
from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ExchangeError,
    Malformed,
    NotSent,
    RateLimited,
    Refused,
    RequestRejected,
    UnreadableRow,
)
from reconciler.exchanges.base import (
    Account,
    Clock,
    Failure,
    LookupResult,
    Nonces,
    OrderRef,
    RequestTrial,
    Venue,
)
from reconciler.exchanges.ccxt.client import (
    COST_SCALE,
    TRAFFIC,
    Shape,
    Traffic,
    has_list,
    http_status_of,
    is_stated,
    open_client,
    retry_after_seconds,
    shape_of,
    use_nonce,
)
from reconciler.exchanges.ccxt.errors import (
    ABOUT_THE_REQUEST,
    ErrorKind,
    error_text,
    hint_of,
    kind_of,
    translate,
)
from reconciler.exchanges.ccxt.facts import (
    OPEN_ORDERS,
    PAGING,
    REQUESTS,
    ended_orders_of,
    lookups_of,
    queries_of,
)
from reconciler.exchanges.ccxt.modules import load_errors
from reconciler.exchanges.ccxt.reports import to_report
from reconciler.exchanges.ccxt.symbols import SpotMarkets
from reconciler.exchanges.order_search import OrderSearch
from reconciler.exchanges.query_plan.any_ids import AnyIds
from reconciler.exchanges.query_plan.queries import GetOrder, ListEndedOrders, ListOpenOrders, Query
from reconciler.exchanges.query_result import QueryResult, absent, order_fault
from reconciler.exchanges.raw_values import shown
from reconciler.exchanges.request_policy import LivenessCheck, Sender
from reconciler.exchanges.server_clock import ServerClock, milliseconds, offset_of
from reconciler.exchanges.spelling import as_called, request_refs
from reconciler.resilience.budget import Budget
from reconciler.resilience.fault_isolation import EXCHANGE, Subject
from reconciler.resilience.nonces import NonceTurn
from reconciler.settings import Credentials

REQUESTS_AT_ONCE = 4

_ORDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+=|-]{0,99}")
"""ccxt puts an id into a path as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _OrderError:
    """What an exception of ccxt says about the order, or the symbol, that was asked for."""

    kind: ErrorKind
    text: str
    hint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Nothing:
    """An answer in which ccxt found no order; `shape` is its form, None if it is no JSON."""

    shape: Shape | None


class CcxtBridge:
    """One account at an exchange that is asked through ccxt."""

    def __init__(
        self,
        *,
        venue: Venue,
        client: httpx.AsyncClient,
        sender: Sender,
        budget: Budget,  # noqa: ARG002 - the protocol's: the sender takes from it
        credentials: Credentials,
        clock: Clock,
        requests_at_once: int,
        nonces: Nonces,
    ) -> None:
        """Ask `venue` with ccxt's own HTTP client. `client` is not used; `close` closes it."""
        self._venue = venue
        self._http = client
        self._sender = sender
        self._clock = clock
        self._nonces = nonces
        self._offset = timedelta(0)
        self._server_clock = ServerClock(self.fetch_clock_offset)
        self._costs: dict[str, int] = {}
        self._markets: SpotMarkets | None = None
        self._readable_symbol: str | None = None
        self._shapes: set[Shape] = set()
        self._error = load_errors().BaseError
        self._ccxt = open_client(
            venue.name.partition(":")[2],
            credentials,
            base_url=venue.base_url,
            now_ms=lambda: milliseconds(self._clock() + self._offset),
        )
        self._lookups = lookups_of(self._ccxt)
        self._ended_orders = ended_orders_of(self._ccxt)
        self._paging = PAGING.get(self._ccxt.id)
        self._search = OrderSearch(
            plan=AnyIds(queries=queries_of(self._ccxt)),
            run=self._run,
            requests_at_once=requests_at_once,
            absent_order_id=venue.absent_order_id,
        )

    @property
    def venue(self) -> Venue:
        """What ccxt knows of the exchange."""
        return self._venue

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        """Ask about every order in `refs`."""
        try:
            markets = await self._loaded_markets()
        except (ExchangeError, BreakerOpen, NotSent) as failure:
            return LookupResult(failures=dict.fromkeys(refs, failure))
        asked = request_refs(refs, self.request_symbol)
        now = self._clock()
        faults = {
            ref: fault
            for ref in asked.requested
            if (fault := _fault_of(ref, markets, now)) is not None
        }
        found = await self._search.find(ref for ref in asked.requested if ref not in faults)
        found.answers.update(faults)
        return as_called(found, asked.spellings)

    async def try_requests(self, ref: OrderRef) -> Sequence[RequestTrial]:
        """Send one request of each kind, about an order that does not exist."""
        return await self._search.try_each(ref)

    async def fetch_account(self) -> Account:
        """Prove that the credentials may read orders. ccxt does not tell whose they are.

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """
        markets = await self._loaded_markets()
        symbol = self._readable_symbol or min(markets.symbols)
        answer = await self._call(OPEN_ORDERS, symbol)
        if _is_kind(answer, ErrorKind.NOT_SUPPORTED):
            lookup = self._lookups[0]
            arguments = lookup.arguments(self._venue.absent_order_id, symbol)
            answer = await self._call(lookup.method, *arguments)
        if _is_kind(answer, ErrorKind.DENIED):
            await self._require_readable_other(symbol, answer)
        elif isinstance(answer, _OrderError) and answer.kind is not ErrorKind.ORDER_NOT_FOUND:
            raise _failure_of(answer)
        if isinstance(answer, _Nothing) and not has_list(answer.shape):
            self._require_known_form(answer)
        return Account(identity=None, clock_offset=await self._server_clock.offset())

    async def fetch_clock_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours; 0 where it does not tell its time.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        if not self._tells_time:
            return timedelta(0)
        return await self._sender.call(self._cost_of("fetch_time"), self._measure_offset)

    async def fetch_symbols(self) -> frozenset[str]:
        """Ask which spot markets the exchange lists, by ccxt's names.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        return (await self._loaded_markets()).symbols

    def request_symbol(self, symbol: str) -> str:
        """Return ccxt's name of the market; the symbol itself until the markets are loaded."""
        found = None if self._markets is None else self._markets.find(symbol)
        return symbol if found is None else found

    async def close(self) -> None:
        """Close the connections."""
        await self._ccxt.close()
        await self._http.aclose()

    @property
    def _tells_time(self) -> bool:
        return self._ccxt.has.get("fetchTime") is True

    async def _loaded_markets(self) -> SpotMarkets:
        if self._markets is None:
            loaded = await self._sender.call(
                self._cost_of("load_markets"), partial(self._attempt, "load_markets")
            )
            if isinstance(loaded, _OrderError):
                raise _failure_of(loaded)
            markets = SpotMarkets([] if isinstance(loaded, _Nothing) else loaded.values())
            if not markets.symbols:
                self._shapes.clear()
                raise Malformed("the exchange lists no spot market")
            self._markets = markets
        return self._markets

    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        fetched_at = self._clock()
        match query:
            case GetOrder(ref=ref, step=step):
                lookup = self._lookups[step]
                answer = await self._ask_about(
                    (ref.symbol, ref.external_order_id),
                    lookup.method,
                    *lookup.arguments(ref.external_order_id, ref.symbol),
                )
                if isinstance(answer, _Nothing):
                    self._require_known_form(answer)
                    return QueryResult(answers={ref: absent(ref, fetched_at)})
                return _result_of_lookup(ref, answer, fetched_at)
            case ListOpenOrders(symbol=str() as symbol, cursor=cursor):
                orders = await self._page(OPEN_ORDERS, symbol, cursor)
            case ListEndedOrders(symbol=str() as symbol, cursor=cursor) if self._ended_orders:
                orders = await self._page(self._ended_orders, symbol, cursor)
            case _:
                raise AssertionError(f"{query} was not offered")
        next_cursor = None if self._paging is None else self._paging.next_cursor(orders)
        return _result_of_page(wanted, orders, fetched_at, next_cursor)

    async def _page(self, name: str, symbol: str, cursor: str | None) -> Sequence[Any]:
        """Return a page of a list.

        Raises:
            RequestRejected: the exchange refuses to list.
        """
        arguments: tuple[object, ...] = ()
        if self._paging is not None:
            parameters = {} if cursor is None else {self._paging.parameter: cursor}
            arguments = (None, self._paging.size, parameters)
        answer = await self._ask_about((symbol,), name, symbol, *arguments)
        if isinstance(answer, _OrderError):
            raise RequestRejected(answer.text)
        if isinstance(answer, _Nothing):
            return []
        if not isinstance(answer, list):
            raise Malformed("the answer is no list of orders")
        return answer

    async def _ask_about(self, subject: Subject, name: str, *arguments: object) -> Any:
        """Call a method of ccxt about a symbol, or an order of it.

        Raises:
            Refused: the exchange denies the key this request, and others.
            RequestRejected: it denies this request only.
        """
        symbol = subject[0]
        answer = await self._call(name, *arguments, subject=subject)
        if _is_kind(answer, ErrorKind.DENIED):
            await self._require_readable_other(symbol, answer)
            raise RequestRejected(f"{answer.text}; the key may read orders of other markets")
        if not isinstance(answer, _OrderError | _Nothing):
            self._readable_symbol = symbol
        return answer

    async def _require_readable_other(self, denied_symbol: str, denial: _OrderError) -> None:
        """Find out if the key may read the orders of another market.

        Raises:
            Refused: it may not.
            ExchangeError: the exchange gave no usable answer.
        """
        others = (await self._loaded_markets()).symbols - {denied_symbol}
        known = self._readable_symbol
        other = known if known in others else min(others, default=None)
        answer = denial if other is None else await self._call(OPEN_ORDERS, other)
        if _is_kind(answer, ErrorKind.DENIED):
            raise Refused(denial.text, hint=denial.hint)

    async def _call(self, name: str, *arguments: object, subject: Subject = EXCHANGE) -> Any:
        """Call a method of ccxt with a signed request; once more if its timestamp is refused."""
        turn = NonceTurn(self._nonces) if self._venue.needs_nonce else None
        send = partial(self._attempt, name, *arguments, turn=turn)
        check = (
            LivenessCheck(cost=self._cost_of("fetch_time"), send=self._measure_offset)
            if self._tells_time
            else None
        )
        offset = self._offset = await self._server_clock.offset()
        call = partial(
            self._sender.call,
            self._cost_of(name),
            send,
            subject=subject,
            liveness_check=check,
            turn=turn,
        )
        try:
            return await call()
        except ClockSkew:
            self._server_clock.forget(offset)
        self._offset = await self._server_clock.offset()
        return await call()

    async def _attempt(self, name: str, *arguments: object, turn: NonceTurn | None = None) -> Any:
        """Call a method of ccxt, and note what it cost. `turn` has the nonce of its request.

        Raises:
            ExchangeError: ccxt raised something that is no answer about an order or a symbol.
        """
        traffic = Traffic()
        TRAFFIC.set(traffic)
        if turn is not None:
            use_nonce(self._ccxt, turn.nonce)
        method: Callable[..., Awaitable[Any]] = getattr(self._ccxt, name)
        try:
            result = await method(*arguments)
        except self._error as error:
            kind = kind_of(error)
            if kind is ErrorKind.ORDER_NOT_FOUND and not is_stated(error):
                return _Nothing(shape=_last_shape(traffic))
            if kind in ABOUT_THE_REQUEST:
                return _OrderError(kind=kind, text=error_text(error), hint=hint_of(error))
            raise self._translated(error) from None
        except Exception as error:  # noqa: BLE001 - ccxt's parsers raise anything for what they do not expect
            raise Malformed(f"ccxt cannot read the answer ({type(error).__name__})") from None
        finally:
            self._costs[name] = max(1, ceil(traffic.cost * COST_SCALE))
        if not result:
            return _Nothing(shape=_last_shape(traffic))
        if name != "fetch_time":
            self._shapes.update(filter(None, map(shape_of, traffic.answers)))
        return result

    def _require_known_form(self, nothing: _Nothing) -> None:
        """Believe that there is no order only an answer of a form in which others were found.

        Raises:
            Malformed: it may be a page of HTML, or the answer of another service.
        """
        shape = nothing.shape
        if shape is None or not any(shape >= known for known in self._shapes):
            raise Malformed("ccxt finds no order in an answer that has not the exchange's form")

    def _translated(self, error: Exception) -> ExchangeError:
        """Return our error. A time that the exchange has given to wait is kept."""
        ours = translate(error, http_status_of(error))
        if isinstance(ours, RateLimited):
            # No other answer can have come in between: nothing was awaited since.
            told = retry_after_seconds(self._ccxt)
            ours.retry_after_seconds = told or ours.retry_after_seconds
        return ours

    def _cost_of(self, name: str) -> Mapping[str, int]:
        """Return the cost of a method: what its requests cost last time, by ccxt's own table."""
        return {REQUESTS: self._costs.get(name, COST_SCALE)}

    async def _measure_offset(self) -> timedelta:
        sent_at = self._clock()
        server_time_ms = await self._attempt("fetch_time")
        if isinstance(server_time_ms, _OrderError):
            raise _failure_of(server_time_ms)
        if not isinstance(server_time_ms, int):
            raise Malformed("the exchange does not tell its time")
        half_way = sent_at + (self._clock() - sent_at) / 2
        return offset_of(server_time_ms, half_way)


def _last_shape(traffic: Traffic) -> Shape | None:
    return shape_of(traffic.answers[-1]) if traffic.answers else None


def _fault_of(ref: OrderRef, markets: SpotMarkets, now: datetime) -> OrderFault | None:
    if ref.symbol not in markets.symbols:
        return _unlisted(ref, now)
    if _ORDER_ID.fullmatch(ref.external_order_id) is None:
        return order_fault(ref, "no exchange has such an id", now)
    return None


def _is_kind(answer: Any, kind: ErrorKind) -> bool:
    return isinstance(answer, _OrderError) and answer.kind is kind


def _failure_of(error: _OrderError) -> ExchangeError:
    """Return our error for a request about no order."""
    if error.kind in {ErrorKind.DENIED, ErrorKind.NOT_SUPPORTED}:
        return Refused(error.text, hint=error.hint)
    return RequestRejected(error.text)


def _result_of_lookup(ref: OrderRef, answer: Any, fetched_at: datetime) -> QueryResult:
    """Return the result of an order's own look-up.

    Raises:
        RequestRejected: the exchange cannot be asked about it.
        Malformed: the answer is no order.
        UnreadableRow: it is another order, or cannot be read.
    """
    if isinstance(answer, _OrderError):
        return QueryResult(answers={ref: _answer_of_error(ref, answer, fetched_at)})
    orders = answer if isinstance(answer, list) else [answer]
    if not all(isinstance(order, Mapping) and order.get("id") for order in orders):
        raise Malformed(f"asked for {shown(ref)}, there is no order in the answer")
    if not all(_is_order(ref, order) for order in orders):
        raise UnreadableRow(f"asked for {shown(ref)}, the answer is about another")
    reports = {to_report(ref, order, fetched_at) for order in orders}
    if len(reports) > 1:
        raise UnreadableRow(f"{shown(ref)} is reported in two ways")
    return QueryResult(answers={ref: reports.pop()})


def _answer_of_error(ref: OrderRef, error: _OrderError, fetched_at: datetime) -> Answer:
    if error.kind is ErrorKind.UNKNOWN_SYMBOL:
        return _unlisted(ref, fetched_at)
    if error.kind is not ErrorKind.ORDER_NOT_FOUND:
        raise RequestRejected(error.text)
    return absent(ref, fetched_at)


def _result_of_page(
    wanted: Iterable[OrderRef],
    orders: Sequence[Any],
    fetched_at: datetime,
    next_cursor: str | None,
) -> QueryResult:
    """Return what a page of a list says of the `wanted` orders. It says nothing about any other."""
    answers: dict[OrderRef, Answer] = {}
    failures: dict[OrderRef, Failure] = {}
    for ref in wanted:
        listed = [order for order in orders if _is_order(ref, order)]
        if not listed:
            continue
        try:
            reports = {to_report(ref, order, fetched_at) for order in listed}
        except UnreadableRow as error:
            failures[ref] = error
            continue
        if len(reports) == 1:
            answers[ref] = reports.pop()
        else:
            failures[ref] = UnreadableRow(f"{shown(ref)} is listed in two ways")
    return QueryResult(
        answers=answers, failures=failures, listed=len(orders), next_cursor=next_cursor
    )


def _is_order(ref: OrderRef, order: Mapping[str, Any]) -> bool:
    """Return True for the order of `ref`. One that ccxt cannot parse may not name its market."""
    return order.get("id") == ref.external_order_id and order.get("symbol") in (ref.symbol, None)


def _unlisted(ref: OrderRef, fetched_at: datetime) -> OrderFault:
    return OrderFault(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        detail=(
            f"the exchange lists no spot market {ref.symbol[:100]!r}, or more than one could be"
            " meant: correct the row's symbol, or rename it in [orders.symbols] to ccxt's name,"
            ' such as "BTC/USDT"'
        ),
        fetched_at=fetched_at,
    )
