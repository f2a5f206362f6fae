"""Coinbase's adapter: it fetches a batch of orders with as few requests as there are.

    fetch -> rounds of queries      reconciler.exchanges.order_search, by QUERIES of `constants`
          -> one request each       reconciler.exchanges.api_client, in the words of `api`
          -> answers and failures   from `mapping`

Guarantees:
1. An order gets an answer only from a row of its own id, or from its own look-up. A list that
   leaves it out says nothing.
2. A failure reaches exactly the orders for which the request was sent. If every further request
   would fail too (bad key, rate limit), the rest of the batch fails without being sent.
3. An order that cannot be read fails alone.
4. No error's text carries a token, a key or a secret.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from reconciler.errors import ClockSkew, Refused, Unavailable
from reconciler.exchanges.api_client import ApiRequest, ApiResponse, VenueApi
from reconciler.exchanges.api_errors import Decoder, refusal_hint
from reconciler.exchanges.base import Account, OrderRef, Venue
from reconciler.exchanges.coinbase.api import CoinbaseApi
from reconciler.exchanges.coinbase.constants import (
    BATCH_PATH,
    KEY_PATH,
    MAX_SYMBOLS_BYTES,
    ONE_PRIVATE,
    ONE_PUBLIC,
    OPEN,
    ORDER_PATH,
    PAGE_SIZE,
    PRODUCTS_PATH,
    QUERIES,
)
from reconciler.exchanges.coinbase.mapping import (
    decode_lookup,
    result_of_list,
    result_of_lookup,
    result_of_many,
)
from reconciler.exchanges.coinbase.raw_orders import (
    Page,
    decode_page,
    decode_permissions,
    decode_symbols,
)
from reconciler.exchanges.coinbase.refs import (
    invalid_reason,
    products_by_letters,
    request_id,
    request_symbol,
)
from reconciler.exchanges.query_plan.any_ids import AnyIds
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    ListEndedOrders,
    ListOpenOrders,
    ListOrdersFrom,
    ManyOrders,
    Query,
)
from reconciler.exchanges.query_result import QueryResult
from reconciler.exchanges.venue_adapter import VenueAdapter
from reconciler.resilience.fault_isolation import Subject
from reconciler.settings import Credentials

T = TypeVar("T")

REQUESTS_AT_ONCE = 4
"""As at Binance: with the exchange 50 ms away, four at once send 80 requests a second, and the
limit is 30."""

OPEN_ORDERS: Subject = ("open orders",)
"""The subject of the list of all open orders, which may fail by itself, as an order may."""

MANY_ORDERS = "many orders"
"""In the subject of a batch, together with its first id: one batch that fails stops no other."""


class Coinbase(VenueAdapter):
    """One portfolio at Coinbase."""

    _plan = AnyIds(queries=QUERIES)
    _products: Mapping[str, str] = MappingProxyType({})

    @staticmethod
    def _venue_api(venue: Venue, credentials: Credentials) -> VenueApi:
        return CoinbaseApi(venue.base_url, credentials, venue.key_form)

    async def fetch_account(self) -> Account:
        """Ask for the key's portfolio, and how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """
        with self._unauthorized_is_refused():
            return await super().fetch_account()

    async def fetch_clock_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours. Every call sends a request.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        with self._unauthorized_is_refused():
            return await super().fetch_clock_offset()

    async def _fetch_identity(self) -> str | None:
        response = await self._api.get(KEY_PATH, {}, ONE_PRIVATE, decode_permissions)
        permissions = response.value_or_raise()
        if not permissions.can_view:
            raise Refused(
                f"{KEY_PATH}: the key may not view orders",
                hint="give the key the permission View at the exchange",
            )
        uuid = permissions.portfolio_uuid
        return uuid.lower() if uuid else None

    async def fetch_symbols(self) -> frozenset[str]:
        """Ask which products the exchange lists, whether they trade now or not.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        with self._unauthorized_is_refused():
            symbols = await self._api.get_unsigned(
                PRODUCTS_PATH, {}, ONE_PUBLIC, decode_symbols, max_bytes=MAX_SYMBOLS_BYTES
            )
        self._products = products_by_letters(symbols)
        return symbols

    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as the exchange writes it, where that is certain.

        What "BTCUSD" means is certain once `fetch_symbols` has listed all products. `fetch` needs
        no list: it asks by id alone.
        """
        asked = request_symbol(symbol)
        return self._products.get(asked, asked)

    def _request_id(self, external_order_id: str) -> str:
        return request_id(external_order_id)

    def _invalid_reason(self, ref: OrderRef) -> str | None:
        return invalid_reason(ref)

    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        match query:
            case GetOrder(ref=ref):
                return await self._get_order(ref)
            case ManyOrders(refs=refs):
                return await self._many_orders(refs)
            case ListOpenOrders(cursor=cursor):
                return await self._list_open(wanted, cursor)
            case ListEndedOrders() | ListOrdersFrom():
                raise AssertionError(f"QUERIES offers no {type(query).__name__}")

    async def _get_order(self, ref: OrderRef) -> QueryResult:
        request = ApiRequest(path=f"{ORDER_PATH}/{ref.external_order_id}", cost=ONE_PRIVATE)
        subject = (ref.symbol, ref.external_order_id)
        return result_of_lookup(
            ref, await self._send(request, partial(decode_lookup, ref), subject)
        )

    async def _many_orders(self, refs: tuple[OrderRef, ...]) -> QueryResult:
        """Look up several orders.

        Raises:
            RequestRejected: the exchange does not take the request.
            ExchangeError: there is no usable answer.
        """
        ids = tuple(dict.fromkeys(ref.external_order_id for ref in refs))
        return result_of_many(refs, await self._list({"order_ids": ids}, (MANY_ORDERS, ids[0])))

    async def _list_open(self, wanted: frozenset[OrderRef], cursor: str | None) -> QueryResult:
        page: dict[str, str | tuple[str, ...]] = {"order_status": OPEN, "limit": str(PAGE_SIZE)}
        if cursor is not None:
            page["cursor"] = cursor
        return result_of_list(wanted, await self._list(page, OPEN_ORDERS))

    async def _list(
        self, parameters: dict[str, str | tuple[str, ...]], subject: Subject
    ) -> ApiResponse[Page]:
        request = ApiRequest(path=BATCH_PATH, cost=ONE_PRIVATE, parameters=parameters)
        return await self._send(request, decode_page, subject)

    async def _send(
        self, request: ApiRequest, decode: Decoder[T], subject: Subject
    ) -> ApiResponse[T]:
        """Send a signed request about orders.

        Coinbase has answered 401 to right tokens, too (issue 132 of coinbase-advanced-py): whether
        it refuses the key, the route that is about the key tells.

        Raises:
            Refused: the key is refused there, too.
            Unavailable: the key is taken there.
            ExchangeError: there is no usable answer.
        """
        try:
            return await self._api.send(request, decode, subject=subject)
        except ClockSkew as unauthorized:
            reason = str(unauthorized)
        with self._unauthorized_is_refused():
            await self._fetch_identity()
        raise Unavailable(f"{reason}, twice; {KEY_PATH} takes the key")

    @contextmanager
    def _unauthorized_is_refused(self) -> Iterator[None]:
        """Refuse the credentials if the exchange does.

        What is signed was sent twice, the second time with the exchange's own time, and what is not
        signed has no time: so it is not the clock.
        """
        try:
            yield
        except ClockSkew as unauthorized:
            raise Refused(str(unauthorized), hint=refusal_hint(self._credentials)) from None
