"""The adapter: it fetches a batch of orders in rounds of the cheapest queries."""

import re

from reconciler.errors import Unavailable
from reconciler.exchanges.api_client import ApiResponse, Parameters, VenueApi
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import (
    OrderRef,
    Venue,
)
from reconciler.exchanges.query_plan.any_ids import AnyIds
from reconciler.exchanges.query_plan.queries import GetOrder, ListOpenOrders, ManyOrders, Query
from reconciler.exchanges.query_result import (
    QueryResult,
    lookup_result,
    order_fault,
    unknown_symbol_reason,
)
from reconciler.exchanges.venue_adapter import VenueAdapter
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
    require_asked,
    result_of_list,
    result_of_lookup,
)
from tests.exchanges.contract.template.raw_orders import OrderPage, decode_page

REQUESTS_AT_ONCE = 4

_ID = re.compile(r"[0-9a-z-]{1,40}", re.ASCII)
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}", re.ASCII)


class Template(VenueAdapter):
    """One account at the venue."""

    _plan = AnyIds(queries=QUERIES)

    @staticmethod
    def _venue_api(venue: Venue, credentials: Credentials) -> VenueApi:
        return TemplateApi(venue.base_url, credentials)

    async def _fetch_identity(self) -> str | None:
        response = await self._api.get(ACCOUNT_PATH, {}, ONE_REQUEST, decode_account)
        return response.value_or_raise()

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

    def _invalid_reason(self, ref: OrderRef) -> str | None:
        has_id = _ID.fullmatch(ref.external_order_id) is not None
        has_symbol = _SYMBOL.fullmatch(ref.symbol) is not None
        return None if has_id and has_symbol else "no symbol or id of the exchange's form"

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
            return lookup_result(refs, QueryResult(), response.fetched_at)
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
            reason = unknown_symbol_reason(response.value.text)
            faults = {ref: order_fault(ref, reason, response.fetched_at) for ref in wanted}
            return QueryResult(answers=faults)
        raise Unavailable(response.value.text)
