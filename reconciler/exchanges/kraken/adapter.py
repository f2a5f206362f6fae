"""Kraken's adapter: it fetches a batch of orders in rounds of the cheapest queries.

    fetch -> rounds of queries      chosen by reconciler.exchanges.query_plan
          -> one request each       written by reconciler.exchanges.kraken.api
          -> answers and failures   from reconciler.exchanges.kraken.mapping

Guarantees:
1. An order gets an answer only from what stands under its own txid. Its symbol is not compared: the
   same pair is XBTUSD, XXBTZUSD and XBT/USD.
2. A failure reaches exactly the orders for which the request was sent. If one id of twenty makes
   Kraken reject the request, that order alone is at fault: the plan finds it by halving.
3. An order that cannot be read fails alone.
4. No error's text carries a signature, a key or a nonce.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import structlog

from reconciler.domain.report import OrderFault
from reconciler.errors import ClockSkew, Refused, RequestRejected
from reconciler.exchanges.api_client import ApiResponse, VenueApi
from reconciler.exchanges.api_errors import (
    BAD_REQUEST_HINT,
    Decoder,
    ErrorKind,
    ErrorResponse,
)
from reconciler.exchanges.base import (
    OrderRef,
    Venue,
)
from reconciler.exchanges.kraken.api import KrakenApi
from reconciler.exchanges.kraken.constants import (
    CLOSED_COST,
    CLOSED_ORDERS,
    KEY_INFO,
    KEY_INFO_COST,
    MAX_SYMBOLS_BYTES,
    NONCE_HINT,
    NONCE_TRIES,
    OPEN_COST,
    OPEN_ORDERS,
    PUBLIC_COST,
    QUERIES,
    QUERY_COST,
    QUERY_ORDERS,
    QUERY_PERMISSIONS,
    SYMBOLS,
)
from reconciler.exchanges.kraken.mapping import (
    answer_of_error,
    decode_lookup,
    order_fault,
    result_of_list,
    result_of_query,
)
from reconciler.exchanges.kraken.raw_orders import (
    KeyInfo,
    RawOrders,
    decode_closed,
    decode_key_info,
    decode_open,
    decode_symbols,
)
from reconciler.exchanges.kraken.refs import invalid_reason
from reconciler.exchanges.query_plan.any_ids import AnyIds
from reconciler.exchanges.query_plan.queries import (
    GetOrder,
    ListEndedOrders,
    ListOpenOrders,
    ManyOrders,
    Query,
)
from reconciler.exchanges.query_result import QueryResult
from reconciler.exchanges.venue_adapter import VenueAdapter
from reconciler.resilience.fault_isolation import EXCHANGE, Subject
from reconciler.resilience.limits import Cost
from reconciler.settings import Credentials

T = TypeVar("T")

REQUESTS_AT_ONCE = 1
"""A key's nonces are used one after another, so a second request would only wait for the first."""

ANY_PAIR = ""
"""The symbol of every order within the adapter, where an id alone names an order."""

log = structlog.get_logger(__name__)


class Kraken(VenueAdapter):
    """One account at Kraken."""

    _plan = AnyIds(queries=QUERIES)

    @staticmethod
    def _venue_api(venue: Venue, credentials: Credentials) -> VenueApi:
        return KrakenApi(venue.base_url, credentials)

    async def _fetch_identity(self) -> str | None:
        """Ask which account the key belongs to.

        A key that does not see every order is refused: to it, what it does not see is "not found".

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """
        try:
            response = await self._post(KEY_INFO, {}, KEY_INFO_COST, decode_key_info)
        except Refused as refusal:
            if refusal.hint != BAD_REQUEST_HINT:
                raise
            # `GetApiKeyInfo` is unknown, as behind an older gateway.
            (await self._post(OPEN_ORDERS, {}, OPEN_COST, decode_open)).value_or_raise()
            return self._fingerprint
        info = response.value_or_raise()
        _require_full_sight(info)
        return "".join((info.iban or "").split()) or self._fingerprint

    async def fetch_symbols(self) -> frozenset[str]:
        """Ask which pairs the exchange lists, in every spelling that it takes.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        return await self._api.get_unsigned(
            SYMBOLS, {}, PUBLIC_COST, decode_symbols, max_bytes=MAX_SYMBOLS_BYTES
        )

    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as it is: no request carries one, and `fetch_symbols` has them all."""
        return symbol

    @property
    def _fingerprint(self) -> str | None:
        """What tells the key from another, where Kraken does not name its account: a hash.

        Another key of the same account is another identity then.
        """
        if self._credentials.api_key is None:
            return None
        digest = hashlib.sha256(self._credentials.api_key.get_secret_value().encode()).hexdigest()
        return f"fingerprint {digest[:16]}"

    def _query_symbol(self, symbol: str) -> str:  # noqa: ARG002 - the same for all of them
        return ANY_PAIR

    def _invalid_reason(self, ref: OrderRef) -> str | None:
        return invalid_reason(ref)

    def _order_fault(self, ref: OrderRef, reason: str, fetched_at: datetime) -> OrderFault:
        return order_fault(ref, reason, fetched_at)

    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        match query:
            case GetOrder(ref=ref):
                return await self._look_up((ref,))
            case ManyOrders(refs=refs):
                return await self._look_up(refs)
            case ListOpenOrders():
                return await self._list(wanted, OPEN_ORDERS, {}, OPEN_COST, decode_open)
            case ListEndedOrders(cursor=cursor):
                offset = int(cursor or 0)
                parameters = {"ofs": str(offset), "without_count": "true"}
                return await self._list(
                    wanted, CLOSED_ORDERS, parameters, CLOSED_COST, decode_closed, offset=offset
                )
            case _:
                raise ValueError(f"{query} is no query for Kraken")

    async def _look_up(self, refs: Sequence[OrderRef]) -> QueryResult:
        """Look up orders by their ids.

        Raises:
            RequestRejected: Kraken rejects one of several ids; the plan finds out which.
            ExchangeError: there is no usable answer.
        """
        txids = [ref.external_order_id for ref in refs]
        response = await self._post(
            QUERY_ORDERS,
            {"txid": ",".join(txids)},
            QUERY_COST,
            partial(decode_lookup, txids),
            subject=(ANY_PAIR, *txids) if len(txids) == 1 else EXCHANGE,
        )
        if not isinstance(response.value, ErrorResponse):
            return result_of_query(refs, response.value, response.fetched_at)
        if len(refs) > 1:
            raise RequestRejected(response.value.text)
        answer = answer_of_error(refs[0], response.value, response.fetched_at)
        is_blocked = response.value.kind is ErrorKind.FIREWALL
        return QueryResult(answers={refs[0]: answer}, is_blocked=is_blocked)

    async def _list(
        self,
        wanted: frozenset[OrderRef],
        path: str,
        parameters: Mapping[str, str],
        cost: Cost,
        decode: Decoder[RawOrders],
        *,
        offset: int | None = None,
    ) -> QueryResult:
        """Ask for a list, or for the page of one that begins at `offset`.

        Raises:
            ExchangeError: there is no usable answer.
        """
        response = await self._post(path, parameters, cost, decode, subject=(path,))
        return result_of_list(wanted, response.value_or_raise(), response.fetched_at, offset=offset)

    async def _post(
        self,
        path: str,
        parameters: Mapping[str, str],
        cost: Cost,
        decode: Decoder[T],
        *,
        subject: Subject = EXCHANGE,
    ) -> ApiResponse[T]:
        """Send a private request, again with new nonces if its own is refused.

        Raises:
            Refused: every nonce is refused.
            ExchangeError: there is no usable answer.
        """
        for _ in range(NONCE_TRIES - 1):
            try:
                return await self._api.post(path, parameters, cost, decode, subject=subject)
            except ClockSkew as skew:
                log.warning("exchange.nonce_refused", path=path, reason=str(skew))
        try:
            return await self._api.post(path, parameters, cost, decode, subject=subject)
        except ClockSkew as skew:
            raise Refused(str(skew), hint=NONCE_HINT) from None


def _require_full_sight(info: KeyInfo) -> None:
    """Refuse a key that sees only a part of the orders.

    Raises:
        Refused: a permission is missing, or the key is limited to a time.
    """
    missing = [name for word, name in QUERY_PERMISSIONS.items() if word not in info.permissions]
    if missing:
        raise Refused(
            f"the key lacks the permission {' and '.join(map(repr, missing))}, so it does not see"
            " every order",
            hint="give the key this permission on Kraken's page, under Settings, API",
        )
    if info.is_limited_in_time:
        raise Refused(
            "the key is limited to a time (its query start or end date), so it does not see every"
            " order",
            hint="make a key without these dates on Kraken's page, under Settings, API",
        )
