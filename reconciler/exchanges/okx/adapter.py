"""OKX's adapter: it fetches a batch of orders in rounds of the cheapest queries.

    fetch -> rounds of queries      by reconciler.exchanges.order_search, with the plan of
                                    reconciler.exchanges.query_plan.any_ids
          -> one request each       written by reconciler.exchanges.okx.api
          -> answers and failures   from reconciler.exchanges.okx.mapping

An order is looked up in two places: "Order details", which may forget an old one, then the archive
of three months, which lacks what ended without a fill.

Guarantees:
1. An order gets an answer only from a listed order of its own symbol and id, or from its own
   look-up.
2. A failure reaches exactly the orders for which the request was sent.
3. An order that cannot be read fails alone.
4. No error's text carries a signature, a key or a passphrase.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from reconciler.domain.report import Absent
from reconciler.errors import BreakerOpen, ExchangeError, NotSent
from reconciler.exchanges.api_client import VenueApi
from reconciler.exchanges.base import (
    Failure,
    LookupResult,
    OrderRef,
    Venue,
)
from reconciler.exchanges.okx.api import OkxApi, decode_account, decode_symbols
from reconciler.exchanges.okx.constants import (
    ACCOUNT_COST,
    ARCHIVE_COST,
    ARCHIVED_TYPES,
    HISTORY_COST,
    LOOKUP_COST,
    MAX_SYMBOLS_BYTES,
    OPEN_COST,
    PAGE_SIZE,
    QUERIES,
    SPOT,
    SYMBOLS_COST,
)
from reconciler.exchanges.okx.mapping import (
    decode_archived,
    decode_list,
    decode_lookup,
    result_of_list,
    result_of_lookup,
)
from reconciler.exchanges.okx.refs import Symbols, invalid_reason
from reconciler.exchanges.query_plan.any_ids import AnyIds
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    ListEndedOrders,
    ListOpenOrders,
    Query,
)
from reconciler.exchanges.query_result import QueryResult
from reconciler.exchanges.ref_checks import without_leading_zeros
from reconciler.exchanges.venue_adapter import VenueAdapter
from reconciler.resilience.fault_isolation import Subject
from reconciler.resilience.limits import Cost
from reconciler.settings import Credentials

REQUESTS_AT_ONCE = 8
"""30 look-ups a second are allowed: with the exchange 200 ms away, six at once reach that."""

LIST_AGAIN_AFTER = timedelta(minutes=10)
"""A symbol that the list lacks may have been listed since. One that never is costs no more."""

ALL_SYMBOLS: Subject = ("all symbols",)
"""The subject of a list of all symbols, which may fail by itself, as a symbol may."""

ORDER_PATH = "/api/v5/trade/order"
OPEN_PATH = "/api/v5/trade/orders-pending"
HISTORY_PATH = "/api/v5/trade/orders-history"
ARCHIVE_PATH = "/api/v5/trade/orders-history-archive"
ACCOUNT_PATH = "/api/v5/account/config"
SYMBOLS_PATH = "/api/v5/public/instruments"


class Okx(VenueAdapter):
    """One account at OKX."""

    _plan = AnyIds(queries=QUERIES)
    _symbols = Symbols()
    _listed_at: datetime | None = None

    @staticmethod
    def _venue_api(venue: Venue, credentials: Credentials) -> VenueApi:
        return OkxApi(venue.base_url, credentials)

    async def _fetch_identity(self) -> str | None:
        response = await self._api.get(ACCOUNT_PATH, {}, ACCOUNT_COST, decode_account)
        return response.value_or_raise()

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        """Ask about every order in `refs`, with the fewest requests that give each an answer."""
        unspelled = await self._learn_spelling(refs)
        result = await super().fetch([ref for ref in refs if ref not in unspelled])
        result.failures.update(unspelled)
        return result

    async def fetch_symbols(self) -> frozenset[str]:
        """Ask which symbols the exchange lists, whether they trade now or not.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        listed = await self._api.get_unsigned(
            SYMBOLS_PATH,
            {"instType": SPOT},
            SYMBOLS_COST,
            decode_symbols,
            max_bytes=MAX_SYMBOLS_BYTES,
        )
        self._symbols, self._listed_at = Symbols(listed), self._clock()
        return listed

    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as `fetch` asks for it."""
        return self._symbols.request_symbol(symbol)

    async def _learn_spelling(self, refs: Sequence[OrderRef]) -> dict[OrderRef, Failure]:
        """Ask for the listed symbols, if the last list lacks one that is written as one word.

        Return the orders of such symbols with the failure if there is no list.
        """
        unclear = [ref for ref in refs if self._symbols.lacks(ref.symbol)]
        if not unclear or self._has_new_list():
            return {}
        try:
            await self.fetch_symbols()
        except (ExchangeError, BreakerOpen, NotSent) as failure:
            return dict.fromkeys(unclear, failure)
        return {}

    def _has_new_list(self) -> bool:
        return self._listed_at is not None and self._clock() - self._listed_at < LIST_AGAIN_AFTER

    def _request_id(self, external_order_id: str) -> str:
        return without_leading_zeros(external_order_id)

    def _invalid_reason(self, ref: OrderRef) -> str | None:
        return invalid_reason(ref)

    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        match query:
            case GetOrder(ref=ref, step=0):
                return await self._get_order(ref)
            case GetOrder(ref=ref):
                return await self._get_archived(ref)
            case ListOpenOrders(symbol=symbol, cursor=cursor):
                return await self._list(OPEN_PATH, OPEN_COST, symbol, cursor, wanted)
            case ListEndedOrders(symbol=symbol, cursor=cursor):
                return await self._list(HISTORY_PATH, HISTORY_COST, symbol, cursor, wanted)
            case _:
                raise ValueError(f"{query} is no query of this venue")

    async def _get_order(self, ref: OrderRef) -> QueryResult:
        response = await self._api.get(
            ORDER_PATH,
            {"instId": ref.symbol, "ordId": ref.external_order_id},
            LOOKUP_COST,
            decode_lookup(ref),
            subject=(ref.symbol, ref.external_order_id),
        )
        return result_of_lookup(ref, response)

    async def _get_archived(self, ref: OrderRef) -> QueryResult:
        """Look the order up in the archive: among the spot orders, then the margin ones.

        A margin order must not pass for one that does not exist, just because it is none of ours.
        """
        for instrument_type in ARCHIVED_TYPES:
            found = await self._get_archived_as(instrument_type, ref)
            if not isinstance(found.answers.get(ref), Absent):
                break
        return found

    async def _get_archived_as(self, instrument_type: str, ref: OrderRef) -> QueryResult:
        """Ask for the newest order before the id that follows the order's own.

        Ids grow with time, and `after` is not included ("Pagination").
        """
        parameters = {
            "instType": instrument_type,
            "instId": ref.symbol,
            "after": str(int(ref.external_order_id) + 1),
            "limit": "1",
        }
        response = await self._api.get(
            ARCHIVE_PATH,
            parameters,
            ARCHIVE_COST,
            decode_archived(ref),
            subject=(ref.symbol, ref.external_order_id),
        )
        return result_of_lookup(ref, response)

    async def _list(
        self,
        path: str,
        cost: Cost,
        symbol: str | None,
        cursor: str | None,
        wanted: frozenset[OrderRef],
    ) -> QueryResult:
        parameters: Mapping[str, str] = {
            "instType": SPOT,
            **({} if symbol is None else {"instId": symbol}),
            **({} if cursor is None else {"after": cursor}),
            "limit": str(PAGE_SIZE),
        }
        response = await self._api.get(
            path,
            parameters,
            cost,
            decode_list(symbol),
            subject=ALL_SYMBOLS if symbol is None else (symbol,),
        )
        return result_of_list(symbol, wanted, response)
