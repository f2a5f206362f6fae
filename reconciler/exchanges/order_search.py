"""Search for a batch of orders: rounds of the queries that a plan chooses, sent at once.

`reconciler.exchanges.venue_adapter` keeps one search for its account. The venue supplies the
request for each query:

    class Bybit(VenueAdapter):
        async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
            match query:
                case GetOrder(ref=ref, step=step):
                    response = await self._api.get(PATHS[step], {"orderId": ...}, ...)
                    return lookup_result([ref], ...)                  not found there: Absent
                case ListOpenOrders(symbol=symbol, cursor=cursor):
                    response = await self._api.get(..., {"cursor": cursor or ""}, ...)
                    return QueryResult(
                        answers=...,                                  of `wanted` alone
                        failures=...,                                 rows that cannot be read
                        listed=len(response.value.orders),
                        next_cursor=response.value.next_cursor or None,
                    )
                ...

`_run` lets every error of ours rise: it fails the query as a whole, and the plan knows for which
orders the query was sent. It never says `Absent` for an order that a list leaves out.

Guarantees:
1. Every order gets an answer or a failure, never both, whatever the exchange answers.
2. A failure reaches exactly the orders for which the request was sent. If every further request
   would fail too (bad key, clock, rate limit), the rest of the batch fails without being sent.
3. A firewall's block is an order's fault only if it lets a look-up of another order pass.
4. The search ends: rounds that settle nothing are bounded.
5. A list that fails again and again, by itself, keeps no order from an answer: after
   `FAILED_LISTS` of them an order is looked up, and then lists are tried again.
6. If a firewall refuses every request about orders, nothing is sent for `BLOCKED_SECONDS`.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, assert_never

import structlog

from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ExchangeError,
    Malformed,
    NotSent,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
    UnreadableRow,
)
from reconciler.exchanges.base import Failure, LookupResult, OrderRef, RequestTrial
from reconciler.exchanges.query_plan.protocol import Outcome, QueryPlan, Search
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    ListEndedOrders,
    ListOpenOrders,
    ListOrdersFrom,
    ManyOrders,
    Query,
)
from reconciler.exchanges.query_result import QueryResult
from reconciler.exchanges.unexpected_errors import unexpected_as_malformed

RunQuery = Callable[[Query, frozenset[OrderRef]], Coroutine[Any, Any, QueryResult]]
"""Sends the request of a query for the orders that are wanted from it."""

MAX_ROUNDS_WITHOUT_RESULT = 1000
"""No plan of ours needs so many: a longest list has fewer pages."""

FAILED_LISTS = 2
"""After an order was in so many lists that failed, one after another, it is looked up."""

MAX_LOOKED_UP_INSTEAD = 200
"""The most orders of a search that are looked up because lists have failed. After an outage, too,
they have: a symbol may have thousands, and one list then answers for all.
"""

MAX_FAILURES_REMEMBERED = 50_000

BLOCKED_SECONDS = 60.0
"""A firewall that refuses everything blocks for longer if requests go on (Binance, "IP Limits")."""

PROBE_SYMBOL = "BTC-USDT"
"""The symbol of an order that does not exist. What the exchange says of it does not matter, only
that the firewall lets it be asked.
"""

ALL_BLOCKED = (
    "a firewall refuses every request about an order with HTTP 403, even about one that does not"
    " exist, and lets others pass: does it allow this machine's IP address?"
)

log = structlog.get_logger(__name__)


@dataclass(kw_only=True, slots=True)
class _Sending:
    """State that the requests of one search share.

    Attributes:
        semaphore: Limits the requests at a time.
        stopped_by: The failure after which no more are sent.
        others_pass: True if a firewall that blocks an order is known to let others pass.
        finding_out: Held while that is found out, so that one request does.
    """

    semaphore: asyncio.Semaphore
    stopped_by: Failure | None = None
    others_pass: bool = False
    finding_out: asyncio.Lock = field(default_factory=asyncio.Lock)


class OrderSearch(Generic[Search]):
    """Searches for orders of one account. What one search learns, the next one uses."""

    def __init__(
        self,
        *,
        plan: QueryPlan[Search],
        run: RunQuery,
        requests_at_once: int,
        absent_order_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send with `run`, and at most `requests_at_once` requests of a search at a time.

        No order has the id `absent_order_id`, which has the form that the exchange wants. `clock`
        returns seconds.
        """
        self._plan = plan
        self._run = run
        self._requests_at_once = requests_at_once
        self._clock = clock
        self._failed_lists: dict[OrderRef, int] = {}
        self._blocked_until = clock()
        self._absent = OrderRef(symbol=PROBE_SYMBOL, external_order_id=absent_order_id)

    async def find(self, refs: Iterable[OrderRef]) -> LookupResult:
        """Return an answer or a failure for every order in `refs`. Never raises for an exchange."""
        wanted = frozenset(refs)
        found = LookupResult()
        sending = _Sending(semaphore=asyncio.Semaphore(self._requests_at_once))
        if self._clock() < self._blocked_until:
            sending.stopped_by = Unavailable(ALL_BLOCKED)
        lookup_only = self._to_look_up(wanted)
        failed_in_lists: set[OrderRef] = set()
        search = self._plan.start(wanted, lookup_only=lookup_only)
        rounds_without_result = 0
        while queries := self._plan.next_round(search):
            outcomes = await self._send_round(queries, search, sending)
            self._plan = self._plan.learn(search, outcomes)
            progress = self._plan.advance(search, outcomes)
            found.answers.update(progress.answers)
            found.failures.update(progress.failures)
            for query in queries:
                covered = self._plan.covered(search, query)
                if _is_failed_list(query, covered, progress.failures):
                    failed_in_lists |= covered
            search = progress.search
            has_result = bool(progress.answers or progress.failures)
            rounds_without_result = 0 if has_result else rounds_without_result + 1
            if rounds_without_result > MAX_ROUNDS_WITHOUT_RESULT:
                log.error("exchange.search_given_up", queries=len(queries))
                break
        self._plan = self._plan.learn_from_batch(found.answers.values())
        _complete(found, wanted)
        self._remember(failed_in_lists, settled=found.answers.keys() | lookup_only)
        return found

    def _to_look_up(self, wanted: Iterable[OrderRef]) -> frozenset[OrderRef]:
        failing = (ref for ref in wanted if self._failed_lists.get(ref, 0) >= FAILED_LISTS)
        return frozenset(islice(failing, MAX_LOOKED_UP_INSTEAD))

    def _remember(
        self, failed_in_lists: Iterable[OrderRef], *, settled: Collection[OrderRef]
    ) -> None:
        for ref in settled:
            self._failed_lists.pop(ref, None)
        if len(self._failed_lists) > MAX_FAILURES_REMEMBERED:
            self._failed_lists.clear()
        for ref in failed_in_lists:
            if ref not in settled:
                self._failed_lists[ref] = self._failed_lists.get(ref, 0) + 1

    async def try_each(self, ref: OrderRef) -> Sequence[RequestTrial]:
        """Send one request of each kind, about `ref`, one after another. Never raises."""
        trials = []
        for query in self._plan.samples(ref):
            sending = _Sending(semaphore=asyncio.Semaphore(1))
            result = await self._send(query, frozenset({ref}), sending)
            failure = result.failures.get(ref) if result.failure is None else result.failure
            names_order = isinstance(query, GetOrder | ManyOrders)
            trials.append(
                RequestTrial(what=_words_of(query), failure=failure, names_order=names_order)
            )
        return trials

    async def _send_round(
        self, queries: Sequence[Query], search: Search, sending: _Sending
    ) -> list[Outcome]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._send(query, self._plan.covered(search, query), sending))
                for query in queries
            ]
        return [(query, task.result()) for query, task in zip(queries, tasks, strict=True)]

    async def _send(
        self, query: Query, wanted: frozenset[OrderRef], sending: _Sending
    ) -> QueryResult:
        async with sending.semaphore:
            if sending.stopped_by is not None:
                return QueryResult(failure=sending.stopped_by)
            try:
                result = await self._run(query, wanted)
                if result.is_blocked:
                    async with sending.finding_out:
                        await self._require_others_pass(sending)
            except (ExchangeError, BreakerOpen, NotSent) as failure:
                if isinstance(failure, Refused | ClockSkew | RateLimited | NotSent):
                    sending.stopped_by = failure
                return QueryResult(failure=failure)
            except Exception as error:  # noqa: BLE001 - one request's fault must not end the process
                return QueryResult(failure=unexpected_as_malformed(error))
            return result

    async def _require_others_pass(self, sending: _Sending) -> None:
        """Look up an order that does not exist: a firewall that refuses that refuses any other.

        Raises:
            ExchangeError: there is no answer either, so that no order is known to be blocked.
        """
        if sending.others_pass:
            return
        if isinstance(sending.stopped_by, Unavailable):
            raise sending.stopped_by
        try:
            result = await self._run(GetOrder(ref=self._absent), frozenset({self._absent}))
        except RequestRejected as rejection:
            if not rejection.is_answer:
                raise Unavailable(str(rejection)) from None
        else:
            if result.is_blocked:
                self._blocked_until = self._clock() + BLOCKED_SECONDS
                sending.stopped_by = Unavailable(ALL_BLOCKED)
                raise sending.stopped_by
        sending.others_pass = True


def _is_failed_list(
    query: Query, covered: Collection[OrderRef], failures: Mapping[OrderRef, Failure]
) -> bool:
    """Return True if a list that was sent brought a failure to each order that it was sent for."""
    if isinstance(query, GetOrder | ManyOrders) or not covered:
        return False
    failed = [failures.get(ref) for ref in covered]
    return all(
        isinstance(one, Unavailable) and not isinstance(one, UnreadableRow) for one in failed
    )


def _words_of(query: Query) -> str:
    match query:
        case GetOrder(step=step):
            return "look up one order" + _place(step)
        case ManyOrders(step=step):
            return "look up several orders" + _place(step)
        case ListOpenOrders():
            return "list open orders"
        case ListEndedOrders():
            return "list ended orders"
        case ListOrdersFrom():
            return "list orders from an id on"
        case _:
            assert_never(query)


def _place(step: int) -> str:
    return "" if step == 0 else f" in place {step + 1}"


def _complete(found: LookupResult, wanted: frozenset[OrderRef]) -> None:
    """Let orders without an answer fail, so that `found` has every wanted order, once."""
    for ref in found.failures.keys() & found.answers.keys():
        del found.answers[ref]
    for ref in wanted - found.answers.keys() - found.failures.keys():
        found.failures[ref] = Malformed("no answer of the exchange was about the order")
