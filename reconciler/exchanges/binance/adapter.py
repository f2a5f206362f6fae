"""A batch of orders asked about in rounds of the cheapest routes.

    ask -> rounds of routes (reconciler.exchanges.query_plan decides which)
             -> one question each, under the guard (reconciler.exchanges.binance.session)
                  -> what it says of whom (reconciler.exchanges.binance.mapping)

Guarantees:
1. An order gets an answer only from a row of its own symbol and id, or from a look-up of its own.
2. A failure reaches exactly the orders for whose sake the request was sent. After one that every
   further request would meet too (bad key, clock, silence asked for) the rest of the batch fails
   with it, unsent.
3. An order whose row cannot be read fails alone.
4. No error's text carries a signature, a key or a token.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from string import ascii_lowercase, ascii_uppercase

import httpx
import structlog

from reconciler.domain.report import Answer, Report
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
from reconciler.exchanges.binance.constants import ACCOUNT_WEIGHT, COSTS, ORDER_ID_DIGITS, Meaning
from reconciler.exchanges.binance.decoding import ACCOUNT_INFORMATION, Fault, as_error
from reconciler.exchanges.binance.mapping import (
    LONGEST_NAME,
    Outcome,
    read_list,
    read_one,
    refused_by_firewall,
    row_about,
    rows_for,
    unanswerable,
)
from reconciler.exchanges.binance.order_rows import Rows, read_rows
from reconciler.exchanges.binance.session import Fetched, Sender, Session
from reconciler.exchanges.query_plan import GetOrder, ListOpenOrders, ListOrdersFrom, Query
from reconciler.exchanges.unforeseen import unforeseen
from reconciler.resilience.budget import Budget
from reconciler.resilience.fault_isolation import Subject
from reconciler.settings import Credentials

REQUESTS_AT_ONCE = 4
"""By `scripts/bench --only lookups`: eight do more look-ups a second where the exchange is 20 ms
away, but four do six times what all of Binance's limit allows. After a "stop" fewer have been asked
in vain.
"""

ALL_SYMBOLS: Subject = ("all symbols",)
"""What a list of every symbol's open orders is about: it may fail by itself, as a symbol may."""

LOOK_UPS_TO_BLAME_A_SYMBOL = 2
"""A firewall may dislike one order's number; two orders have only their symbol in common."""

log = structlog.get_logger(__name__)


@dataclass(kw_only=True, slots=True)
class _Batch:
    """What the requests of one `fetch` share."""

    gate: asyncio.Semaphore
    ended_by: Failure | None = None


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
        self._session = Session(
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
        spellings = _by_request_name(refs)
        unaskable = {order: why for order in spellings if (why := _why_not_askable(order))}
        found = await self._search(frozenset(spellings.keys() - unaskable.keys()))
        now = self._clock()
        for order, why in unaskable.items():
            found.answers[order] = unanswerable(order, why, now)
        return _as_spelled(found, spellings)

    async def fetch_account(self) -> Account:
        """Ask who we are, and how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: it is not reached, or does not accept the credentials.
        """
        fetched = await self._session.get(
            "/api/v3/account", {}, ACCOUNT_WEIGHT, ACCOUNT_INFORMATION
        )
        if isinstance(fetched.value, Fault):
            raise as_error(fetched.value)
        uid = fetched.value.uid
        return Account(
            identity=None if uid is None else str(uid),
            clock_offset=await self._session.server_offset(),
        )

    async def fetch_clock_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours, every time anew.

        Raises:
            ExchangeError: it is not reached.
        """
        return await self._session.measure_offset()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _search(self, wanted: frozenset[OrderRef]) -> LookupResult:
        found = LookupResult()
        batch = _Batch(gate=asyncio.Semaphore(self._requests_at_once))
        search = query_plan.start(wanted)
        while planned := query_plan.plan(search, COSTS, self._estimates):
            outcomes = await self._send_round(planned, search, batch)
            for outcome in outcomes:
                found.answers.update(outcome.answers)
                found.failures.update(outcome.failures)
            pages = [outcome.page for outcome in outcomes if outcome.page is not None]
            self._estimates = query_plan.learn(self._estimates, search, pages)
            search = query_plan.advance(
                search,
                settled=frozenset(found.answers) | frozenset(found.failures),
                open_lists=[route for route in planned if isinstance(route, ListOpenOrders)],
                pages=pages,
                unlisted=frozenset().union(*(outcome.unlisted for outcome in outcomes)),
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
            reported=len(statuses), ended=sum(status.is_terminal for status in statuses)
        )

    async def _send_round(
        self, planned: Sequence[Query], search: query_plan.SearchState, batch: _Batch
    ) -> list[Outcome]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._send(route, query_plan.covers(search, route), batch))
                for route in planned
            ]
        return [task.result() for task in tasks]

    async def _send(self, route: Query, asked: frozenset[OrderRef], batch: _Batch) -> Outcome:
        async with batch.gate:
            if batch.ended_by is not None:
                return Outcome(failures=dict.fromkeys(asked, batch.ended_by))
            try:
                return await self._follow(route, asked)
            except (ExchangeError, BreakerOpen, NotSent) as failure:
                if isinstance(failure, Refused | ClockSkew | RateLimited | NotSent):
                    batch.ended_by = failure
                return Outcome(failures=dict.fromkeys(asked, failure))
            except Exception as error:  # noqa: BLE001 - one request's fault must not end the process
                return Outcome(failures=dict.fromkeys(asked, unforeseen(error)))

    async def _follow(self, route: Query, asked: frozenset[OrderRef]) -> Outcome:
        match route:
            case GetOrder(wanted=order):
                return await self._look_up(order)
            case ListOpenOrders(symbol=symbol):
                parameters = {} if symbol is None else {"symbol": symbol}
                weight = COSTS.all_open_orders if symbol is None else COSTS.open_orders
                rows = await self._list("/api/v3/openOrders", parameters, weight, symbol)
            case ListOrdersFrom(symbol=symbol, from_id=from_id):
                parameters = {
                    "symbol": symbol,
                    "orderId": str(from_id),
                    "limit": str(COSTS.page_orders),
                }
                rows = await self._list("/api/v3/allOrders", parameters, COSTS.history_page, symbol)
        if isinstance(rows, RequestRejected):
            return await self._pass_over_list(route, asked, rows)
        if isinstance(rows.value, Fault) and rows.value.meaning is Meaning.FIREWALL:
            # Without a symbol there is nothing of ours in it; the next round asks otherwise.
            return Outcome() if symbol is None else await self._find_refused(asked, rows.value)
        return read_list(route, asked, rows)

    async def _look_up(self, order: OrderRef) -> Outcome:
        parameters = {"symbol": order.symbol, "orderId": order.external_order_id}
        one = await self._session.get(
            "/api/v3/order",
            parameters,
            COSTS.one_order,
            partial(row_about, order),
            subject=(order.symbol, order.external_order_id),
        )
        return read_one(order, one)

    async def _list(
        self, path: str, parameters: Mapping[str, str], weight: int, symbol: str | None
    ) -> Fetched[Rows] | RequestRejected:
        try:
            return await self._session.get(
                path,
                parameters,
                weight,
                lambda body: rows_for(symbol, read_rows(body)),
                subject=ALL_SYMBOLS if symbol is None else (symbol,),
            )
        except RequestRejected as rejection:
            return rejection

    async def _pass_over_list(
        self,
        route: ListOpenOrders | ListOrdersFrom,
        asked: frozenset[OrderRef],
        rejection: RequestRejected,
    ) -> Outcome:
        """Find out whom the rejection of a list is about: its symbol, or the list alone.

        Look the first orders up by name. Where none is answered it is the symbol, and so each of
        its orders; otherwise the next round looks up all that the list was to show.
        """
        log.warning("exchange.list_rejected", symbol=route.symbol, reason=str(rejection))
        if route.symbol is None:
            return Outcome()  # The next round asks by symbol.
        suspects = sorted(asked, key=lambda order: int(order.external_order_id))
        failures: dict[OrderRef, Failure] = {}
        for order in suspects[:LOOK_UPS_TO_BLAME_A_SYMBOL]:
            try:
                outcome = await self._look_up(order)
            except RequestRejected as own:
                failures[order] = own
            else:
                return Outcome(answers=outcome.answers, failures=failures, unlisted=asked)
        return Outcome(failures=dict.fromkeys(asked, rejection) | failures)

    async def _find_refused(self, asked: frozenset[OrderRef], fault: Fault) -> Outcome:
        """Find out what a firewall dislikes about a list: its symbol, or something else of it.

        Look the first orders up by name. Where none of them passes it is the symbol, and every
        order asked for is refused; otherwise the next round goes on without them.
        """
        answers: dict[OrderRef, Answer] = {}
        failures: dict[OrderRef, Failure] = {}
        suspects = sorted(asked, key=lambda order: int(order.external_order_id))
        for order in suspects[:LOOK_UPS_TO_BLAME_A_SYMBOL]:
            outcome = await self._look_up(order)
            answers.update(outcome.answers)
            failures.update(outcome.failures)
            if not outcome.is_refused:
                return Outcome(answers=answers, failures=failures)
        now = self._clock()
        rest = {
            order: refused_by_firewall(order, fault.told, now)
            for order in suspects
            if order not in answers
        }
        return Outcome(answers=answers | rest, failures=failures)


_CAPITALS = str.maketrans(ascii_lowercase, ascii_uppercase)


def request_symbol(symbol: str) -> str:
    """Return the symbol as Binance writes it: "btc/usdt" and "BTC-USDT" are "BTCUSDT".

    Letters of other scripts stay as they are: it refuses a to z alone, and the capital of another
    letter may be another symbol, or two letters.
    """
    return symbol.replace("/", "").replace("-", "").translate(_CAPITALS)


def request_id(external_order_id: str) -> str:
    """Return the id as Binance writes it: "012" is order 12, and is answered as that."""
    is_number = external_order_id.isascii() and external_order_id.isdecimal()
    return (external_order_id.lstrip("0") or "0") if is_number else external_order_id


def _by_request_name(wanted: Iterable[OrderRef]) -> dict[OrderRef, list[OrderRef]]:
    spellings: dict[OrderRef, list[OrderRef]] = {}
    for order in dict.fromkeys(wanted):
        asked = OrderRef(
            symbol=request_symbol(order.symbol),
            external_order_id=request_id(order.external_order_id),
        )
        spellings.setdefault(asked, []).append(order)
    return spellings


def _as_spelled(
    found: LookupResult, spellings: Mapping[OrderRef, Iterable[OrderRef]]
) -> LookupResult:
    """Give every answer back under the very symbol and id by which it was asked for."""
    return LookupResult(
        answers={
            order: answer if order == asked else _renamed(answer, order)
            for asked, answer in found.answers.items()
            for order in spellings[asked]
        },
        failures={
            order: failure
            for asked, failure in found.failures.items()
            for order in spellings[asked]
        },
    )


def _renamed(answer: Answer, order: OrderRef) -> Answer:
    return replace(answer, symbol=order.symbol, external_order_id=order.external_order_id)


_ORDER_ID = re.compile(rf"[0-9]{{1,{ORDER_ID_DIGITS}}}")
_NOT_OF_A_SYMBOL = re.compile(r"[\x00-\x7f](?<![A-Za-z0-9._-])")


def _why_not_askable(order: OrderRef) -> str | None:
    """Say why the exchange cannot know such names; None: it may.

    It is not asked about what cannot be one of its ids: a firewall before it takes some words for
    an attack, and blocks the address that they come from.
    """
    if any(not 0 < len(name) <= LONGEST_NAME for name in (order.symbol, order.external_order_id)):
        return "empty or too long for a name"
    if not order.symbol.isprintable() or _NOT_OF_A_SYMBOL.search(order.symbol):
        return "its symbol has blanks or signs that no symbol has"
    return _why_no_order_id(order.external_order_id)


def _why_no_order_id(told: str) -> str | None:
    if _ORDER_ID.fullmatch(told):
        return None
    digits = f"the exchange's orderId has 1 to {ORDER_ID_DIGITS} digits 0 to 9 and nothing else"
    if told.isascii() and told.isdecimal():
        return digits
    if told.strip().lstrip("+-").isdecimal():
        return f"{digits}: no sign, no blank, no digit of another script"
    return f"{digits}: this looks like a client order id; put the exchange's orderId there"
