"""The routes: the weight, the parameters and the answer of each.

An answer depends on a view of the account and the parameters, and changes nothing. A request that
cannot be answered raises `ApiError`. To add a route, add a row to `ROUTES`.

Source of weights, parameters and semantics, read 2026-11-24: Binance Spot API documentation,
rest-api.md, "General endpoints" and "Account endpoints". `allOrders` without `orderId` answers the
most recent. Undocumented, so assumed here: with `startTime` a page begins at the earliest order,
with `endTime` alone it ends at the latest, and with `orderId` the times are ignored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from reconciler.paper.account_view import AccountView
from reconciler.paper.dialects.binance.answers import (
    ApiError,
    TimeUnit,
    client_id_mismatch_error,
    invalid_parameter_error,
    invalid_symbol_error,
    no_such_order_error,
    order_archived_error,
    wire_account,
    wire_exchange,
    wire_order,
    wire_orders,
)
from reconciler.paper.dialects.binance.parameters import QueryParameters
from reconciler.paper.lifecycle import ExchangeStatus
from reconciler.paper.order_store import (
    DistortedSymbolOrders,
    SymbolOrders,
    UnknownSymbol,
)
from reconciler.paper.orders import PaperOrder

DEFAULT_PAGE = 500
LARGEST_PAGE = 1000
LARGEST_SPAN_MS = 24 * 3600 * 1000
ARCHIVED_AFTER_MS = 90 * 24 * 3600 * 1000
ARCHIVED_STATUSES = frozenset(
    {ExchangeStatus.CANCELED, ExchangeStatus.EXPIRED, ExchangeStatus.EXPIRED_IN_MATCH}
)
SIGNING_PARAMETERS = frozenset({"timestamp", "recvWindow", "signature"})


@dataclass(frozen=True, kw_only=True, slots=True)
class BinanceView:
    """The account as one request sees it, with times in the unit that the request asks for."""

    account: AccountView
    time_unit: TimeUnit = TimeUnit.MILLISECOND

    @property
    def now(self) -> int:
        """The exchange's clock, in the requested unit."""
        return self.account.now_ms * self.time_unit

    def symbol_orders(self, symbol: str) -> SymbolOrders | DistortedSymbolOrders:
        """Return the orders of one symbol.

        Raises:
            ApiError: the symbol does not exist.
        """
        try:
            return self.account.symbol_orders(symbol)
        except UnknownSymbol:
            raise invalid_symbol_error() from None


@dataclass(frozen=True, kw_only=True, slots=True)
class BinanceRoute:
    """One route of the dialect.

    Attributes:
        weight: The weight of a request; some cost more without a symbol.
        parameters: The names that it reads, besides `SIGNING_PARAMETERS`.
        is_private: True if a request needs credentials.
        answer: Returns the answer, a value that msgspec can encode.
    """

    weight: int
    answer: Callable[[BinanceView, QueryParameters], object]
    parameters: frozenset[str] = frozenset()
    is_private: bool = True
    weight_without_symbol: int | None = None

    def cost(self, *, has_symbol: bool) -> int:
        """Return the weight of one request."""
        if has_symbol or self.weight_without_symbol is None:
            return self.weight
        return self.weight_without_symbol

    @property
    def known_parameters(self) -> frozenset[str]:
        """Every parameter that may be sent."""
        return self.parameters | SIGNING_PARAMETERS if self.is_private else self.parameters


def answer_ping(_view: BinanceView, _parameters: QueryParameters) -> object:
    """Answer that the exchange is up."""
    return {}


def answer_time(view: BinanceView, _parameters: QueryParameters) -> object:
    """Answer with the exchange's clock."""
    return {"serverTime": view.now}


def answer_exchange_info(view: BinanceView, parameters: QueryParameters) -> object:
    """Answer with the rate limit and the rules of the requested symbols, or of all."""
    return wire_exchange(
        [view.symbol_orders(symbol).market for symbol in _requested_symbols(view, parameters)],
        weight_limit=view.account.limit,
        now=view.now,
    )


def answer_account(view: BinanceView, _parameters: QueryParameters) -> object:
    """Answer with the account."""
    return wire_account(view.account.uid, view.now)


def answer_order(view: BinanceView, parameters: QueryParameters) -> object:
    """Answer with one order, found by the exchange's id or the client's."""
    orders = view.symbol_orders(parameters.required_symbol())
    order_id = parameters.integer("orderId")
    client_order_id = parameters.text("origClientOrderId")
    if order_id is None and client_order_id is None:
        raise ApiError(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    order = _find(orders, order_id, client_order_id)
    if order is None:
        raise no_such_order_error()
    if _is_archived(order, view.account.now_ms):
        raise order_archived_error()
    return wire_order(order, view.time_unit)


def answer_open_orders(view: BinanceView, parameters: QueryParameters) -> object:
    """Answer with every open order of a symbol, or of all symbols."""
    symbol = parameters.symbol()
    symbols = view.account.symbols() if symbol is None else [symbol]
    return [
        wire_order(order, view.time_unit)
        for name in symbols
        for order in view.symbol_orders(name).open_orders()
    ]


def answer_all_orders(view: BinanceView, parameters: QueryParameters) -> object:
    """Answer with a page of a symbol's orders, open or ended, ids ascending.

    With `orderId`, the page begins at that id; else with `startTime`, at the earliest order since
    then. Otherwise it holds the most recent orders, up to `endTime` if that is sent.
    """
    orders = view.symbol_orders(parameters.required_symbol())
    limit = parameters.bounded_integer("limit", default=DEFAULT_PAGE, maximum=LARGEST_PAGE)
    start_ms, end_ms = parameters.time_ms("startTime"), parameters.time_ms("endTime")
    order_id = parameters.integer("orderId")
    if order_id is not None:
        return wire_orders(orders.from_id(order_id, limit), view.time_unit)
    if start_ms is None and end_ms is None:
        return wire_orders(orders.latest(limit), view.time_unit)
    return wire_orders(_within(orders, start_ms, end_ms, limit), view.time_unit)


def answer_empty_list(_view: BinanceView, _parameters: QueryParameters) -> object:
    """Answer with an empty list, of the wallet's coins or the margin pairs."""
    return []


def answer_no_markets(view: BinanceView, _parameters: QueryParameters) -> object:
    """Answer that another product has no markets."""
    return wire_exchange([], weight_limit=view.account.limit, now=view.now)


def answer_status(_view: BinanceView, _parameters: QueryParameters) -> object:
    """Answer that there is no maintenance."""
    return {"status": 0, "msg": "normal"}


ROUTES = {
    "ping": BinanceRoute(weight=1, answer=answer_ping, is_private=False),
    "time": BinanceRoute(weight=1, answer=answer_time, is_private=False),
    "exchangeInfo": BinanceRoute(
        weight=20,
        answer=answer_exchange_info,
        parameters=frozenset(
            {"symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus"}
        ),
        is_private=False,
    ),
    "account": BinanceRoute(
        weight=20, answer=answer_account, parameters=frozenset({"omitZeroBalances"})
    ),
    "order": BinanceRoute(
        weight=4,
        answer=answer_order,
        parameters=frozenset({"symbol", "orderId", "origClientOrderId"}),
    ),
    "openOrders": BinanceRoute(
        weight=6,
        weight_without_symbol=80,
        answer=answer_open_orders,
        parameters=frozenset({"symbol"}),
    ),
    "allOrders": BinanceRoute(
        weight=20,
        answer=answer_all_orders,
        parameters=frozenset({"symbol", "orderId", "startTime", "endTime", "limit"}),
    ),
}


OTHER_PRODUCT_ROUTES = {
    "/sapi/v1/capital/config/getall": BinanceRoute(weight=1, answer=answer_empty_list),
    "/sapi/v1/margin/allPairs": BinanceRoute(weight=1, answer=answer_empty_list),
    "/sapi/v1/margin/isolated/allPairs": BinanceRoute(weight=1, answer=answer_empty_list),
    "/sapi/v1/system/status": BinanceRoute(weight=1, answer=answer_status, is_private=False),
    "/fapi/v1/exchangeInfo": BinanceRoute(weight=1, answer=answer_no_markets, is_private=False),
    "/dapi/v1/exchangeInfo": BinanceRoute(weight=1, answer=answer_no_markets, is_private=False),
}
"""The routes of other products that clients read when they load their markets. All are empty."""


def _requested_symbols(view: BinanceView, parameters: QueryParameters) -> Sequence[str]:
    symbol, symbols = parameters.symbol(), parameters.text("symbols")
    if symbol is not None:
        return [symbol]
    if symbols is None:
        return view.account.symbols()
    try:
        return msgspec.json.decode(symbols, type=list[str])
    except msgspec.DecodeError:
        raise invalid_parameter_error("symbols") from None


def _find(
    orders: SymbolOrders | DistortedSymbolOrders, order_id: int | None, client_order_id: str | None
) -> PaperOrder | None:
    if order_id is None:
        return None if client_order_id is None else orders.find_by_client_id(client_order_id)
    order = orders.find(order_id)
    if order is not None and client_order_id not in (None, order.client_order_id):
        raise client_id_mismatch_error()
    return order


def _is_archived(order: PaperOrder, now_ms: int) -> bool:
    """Return True if an order ended without an execution so long ago that it is archived.

    Source, read 2026-11-27: Binance Spot API documentation, errors.md, -2026, and CHANGELOG.md,
    2023-07-11 and 2025-08-12: canceled, expired or expired in match. Whether lists leave it out is
    not documented.
    """
    state = order.state
    is_ended = not state.is_open and state.exchange_status in ARCHIVED_STATUSES
    return is_ended and state.executed_e8 == 0 and order.updated_ms < now_ms - ARCHIVED_AFTER_MS


def _within(
    orders: SymbolOrders | DistortedSymbolOrders,
    start_ms: int | None,
    end_ms: int | None,
    limit: int,
) -> Sequence[PaperOrder]:
    if start_ms is not None and end_ms is not None and end_ms - start_ms > LARGEST_SPAN_MS:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    first_ms = 0 if start_ms is None else start_ms
    found = [
        order
        for order in orders
        if order.created_ms >= first_ms and (end_ms is None or order.created_ms <= end_ms)
    ]
    return found[-limit:] if start_ms is None else found[:limit]
