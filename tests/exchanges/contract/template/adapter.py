"""The adapter: it fetches a batch of orders in rounds of the cheapest queries."""

import re
from collections.abc import Sequence
from datetime import timedelta

import httpx

from reconciler.errors import Unavailable
from reconciler.exchanges.api_client import ApiClient, ApiResponse, Parameters
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse, as_exception
from reconciler.exchanges.base import (
    Account,
    Clock,
    LookupResult,
    Nonces,
    OrderRef,
    RequestTrial,
    Venue,
)
from reconciler.exchanges.order_search import OrderSearch
from reconciler.exchanges.query_plan.any_ids import AnyIds
from reconciler.exchanges.query_plan.queries import GetOrder, ListOpenOrders, ManyOrders, Query
from reconciler.exchanges.query_result import QueryResult, lookup_result
from reconciler.exchanges.request_policy import Sender
from reconciler.exchanges.spelling import as_called, request_refs
from reconciler.resilience.budget import Budget
from reconciler.resilience.fault_isolation import Subject
from reconciler.settings import Credentials
from tests.exchanges.contract.template.api import TemplateApi, decode_account, decode_symbols
from tests.exchanges.contract.template.constants import (
    ACCOUNT_PATH,
    MAX_SYMBOLS_BYTES,
    ONE_REQUEST,
    ORDERS_PATH,
    PAGE_SIZE,
    QUERIES,
    SYMBOLS_PATH,
)
from tests.exchanges.contract.template.mapping import (
    order_fault,
    require_asked,
    result_of_list,
    result_of_lookup,
)
from tests.exchanges.contract.template.raw_orders import OrderPage, decode_page

REQUESTS_AT_ONCE = 4

_ID = re.compile(r"[0-9a-z-]{1,40}", re.ASCII)
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}", re.ASCII)


class Template:
    """One account at the venue. Implements `reconciler.exchanges.base.Exchange`."""

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
        nonces: Nonces | None = None,  # noqa: ARG002 - give them to `ApiClient` where there are any
    ) -> None:
        """Ask `venue` through `client`, which `close` closes. `clock` is the database's."""
        self._venue = venue
        self._clock = clock
        self._api = ApiClient(
            TemplateApi(venue.base_url, credentials),
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
        """Ask about every order in `refs`, with the fewest requests that give each an answer."""
        asked = request_refs(refs, self.request_symbol)
        invalid = {ref for ref in asked.requested if not _can_be_asked(ref)}
        found = await self._search.find(ref for ref in asked.requested if ref not in invalid)
        now = self._clock()
        for ref in invalid:
            found.answers[ref] = order_fault(ref, "no symbol or id of the exchange's form", now)
        return as_called(found, asked.spellings)

    async def try_requests(self, ref: OrderRef) -> Sequence[RequestTrial]:
        """Send one request of each kind, about an order that does not exist."""
        return await self._search.try_each(ref)

    async def fetch_account(self) -> Account:
        """Ask which account the key belongs to, and how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """
        response = await self._api.get(ACCOUNT_PATH, {}, ONE_REQUEST, decode_account)
        if isinstance(response.value, ErrorResponse):
            raise as_exception(response.value)
        return Account(identity=response.value, clock_offset=await self._api.server_offset())

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
            SYMBOLS_PATH, {}, ONE_REQUEST, decode_symbols, max_bytes=MAX_SYMBOLS_BYTES
        )

    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as `fetch` asks for it: "btc/usdt" is "BTC-USDT"."""
        return symbol.upper().replace("/", "-")

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        match query:
            case GetOrder(ref=ref):
                return await self._look_up((ref,))
            case ManyOrders(refs=refs):
                return await self._look_up(refs)
            case ListOpenOrders(symbol=str(symbol), cursor=cursor):
                return await self._list(symbol, cursor, wanted)
            case _:
                raise ValueError(f"QUERIES offers no {query}")

    async def _look_up(self, refs: tuple[OrderRef, ...]) -> QueryResult:
        ids = tuple(ref.external_order_id for ref in refs)
        one = refs[0]
        response = await self._api.get(
            ORDERS_PATH,
            {"id": ids},
            ONE_REQUEST,
            lambda body: require_asked(refs, decode_page(body)),
            subject=(one.symbol, one.external_order_id) if len(refs) == 1 else ("many orders",),
        )
        return self._result_of_lookup(refs, response)

    def _result_of_lookup(
        self, refs: tuple[OrderRef, ...], response: ApiResponse[OrderPage]
    ) -> QueryResult:
        error = response.value
        if not isinstance(error, ErrorResponse):
            return result_of_lookup(refs, error, response.fetched_at)
        if error.kind is ErrorKind.ORDER_NOT_FOUND:
            return lookup_result(refs, answers={}, failures={}, fetched_at=response.fetched_at)
        raise Unavailable(error.text)

    async def _list(
        self, symbol: str, cursor: str | None, wanted: frozenset[OrderRef]
    ) -> QueryResult:
        parameters: Parameters = {
            "symbol": symbol,
            "limit": str(PAGE_SIZE),
            **({} if cursor is None else {"cursor": cursor}),
        }
        subject: Subject = (symbol,)
        response = await self._api.get(
            ORDERS_PATH, parameters, ONE_REQUEST, decode_page, subject=subject
        )
        if not isinstance(response.value, ErrorResponse):
            return result_of_list(wanted, response.value, response.fetched_at)
        if response.value.kind is ErrorKind.UNKNOWN_SYMBOL:
            reason = f"the exchange does not list this symbol; {response.value.text}"
            faults = {ref: order_fault(ref, reason, response.fetched_at) for ref in wanted}
            return QueryResult(answers=faults)
        raise Unavailable(response.value.text)


def _can_be_asked(ref: OrderRef) -> bool:
    """Return True if symbol and id have the exchange's form. No request is sent with others."""
    has_id = _ID.fullmatch(ref.external_order_id) is not None
    return has_id and _SYMBOL.fullmatch(ref.symbol) is not None
