"""The exchange's answers and errors, with its field names, order of fields, formats and codes.

Source, read 2026-11-24: Binance Spot API documentation, rest-api.md, "Query order", "All orders",
"Account information" and "Exchange information"; codes and messages from errors.md. Which 4XX a
code comes with is not documented: unless stated below, it is 401 for a bad key or token, else 400.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum

import msgspec

from reconciler.paper import fixed_point
from reconciler.paper.dialects.dialect import HTML, JSON, PaperAnswer, Refused
from reconciler.paper.market import Market
from reconciler.paper.orders import PaperOrder

_ZERO = fixed_point.to_text(0)


class TimeUnit(IntEnum):
    """The unit of the times in an answer; its value is the number of units in a millisecond."""

    MILLISECOND = 1
    MICROSECOND = 1000


class WireOrder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An order as `order`, `openOrders` and `allOrders` show it."""

    symbol: str
    order_id: int
    order_list_id: int
    client_order_id: str
    price: str
    orig_qty: str
    executed_qty: str
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: str
    iceberg_qty: str
    time: int
    update_time: int
    is_working: bool
    working_time: int
    orig_quote_order_qty: str
    self_trade_prevention_mode: str


def wire_order(order: PaperOrder, unit: TimeUnit = TimeUnit.MILLISECOND) -> WireOrder:
    """Return an order as an answer shows it, with times in `unit`."""
    state = order.state
    return WireOrder(
        order.symbol,
        order.order_id,
        -1,
        order.client_order_id,
        fixed_point.to_text(order.price_e8),
        fixed_point.to_text(order.qty_e8),
        fixed_point.to_text(state.executed_e8),
        fixed_point.to_text(state.quote_e8),
        state.exchange_status,
        order.time_in_force,
        "LIMIT",
        "BUY" if order.is_buy else "SELL",
        _ZERO,
        _ZERO,
        order.created_ms * unit,
        order.updated_ms * unit,
        True,  # noqa: FBT003  # by position: this runs a thousand times a page
        order.created_ms * unit,
        _ZERO,
        "NONE",
    )


def wire_orders(orders: Iterable[PaperOrder], unit: TimeUnit) -> list[WireOrder]:
    """Return a page of orders, with times in `unit`."""
    return [wire_order(order, unit) for order in orders]


def wire_market(market: Market) -> dict[str, object]:
    """Return a symbol's trading rules for `exchangeInfo`."""
    tick, step = fixed_point.to_text(market.tick_e8), fixed_point.to_text(market.step_e8)
    return {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.base,
        "baseAssetPrecision": fixed_point.PLACES,
        "quoteAsset": market.quote,
        "quotePrecision": fixed_point.PLACES,
        "quoteAssetPrecision": fixed_point.PLACES,
        "baseCommissionPrecision": fixed_point.PLACES,
        "quoteCommissionPrecision": fixed_point.PLACES,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000.00000000",
                "tickSize": tick,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": step,
                "maxQty": "9000000.00000000",
                "stepSize": step,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def wire_exchange(markets: Iterable[Market], *, weight_limit: int, now: int) -> dict[str, object]:
    """Return the exchange's rules for `exchangeInfo`. `now` is in the requested unit."""
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": weight_limit,
            }
        ],
        "exchangeFilters": [],
        "symbols": [wire_market(market) for market in markets],
    }


def wire_account(uid: int, now: int) -> dict[str, object]:
    """Return the answer to `account`: the account may trade and holds nothing."""
    rate = fixed_point.to_text(0)
    return {
        "makerCommission": 0,
        "takerCommission": 0,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": rate, "taker": rate, "buyer": rate, "seller": rate},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": now,
        "accountType": "SPOT",
        "balances": [],
        "permissions": ["SPOT"],
        "uid": uid,
    }


class ApiError(Refused):
    """An error with which a request is answered.

    The body is `{"code": ..., "msg": ...}` if the exchange itself answers, or a `page` of HTML if
    something in front of it does.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        http_status: int = 400,
        headers: Mapping[str, str] | None = None,
        page: bytes | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.http_status = http_status
        super().__init__(
            PaperAnswer(
                body=page or msgspec.json.encode({"code": code, "msg": message}),
                status=http_status,
                headers=headers or {},
                media_type=JSON if page is None else HTML,
            )
        )


def too_much_weight_error(limit: int, retry_after_seconds: int) -> ApiError:
    """Return the error for requests over the weight limit, until the window ends."""
    return ApiError(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
        " Please use WebSocket Streams for live updates to avoid polling the API.",
        http_status=429,
        headers={"Retry-After": str(retry_after_seconds)},
    )


def banned_error(until_ms: int, retry_after_seconds: int) -> ApiError:
    """Return the error for an address that kept sending requests during a pause."""
    return ApiError(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}."
        " Please use WebSocket Streams for live updates to avoid bans.",
        http_status=418,
        headers={"Retry-After": str(retry_after_seconds)},
    )


def server_error(http_status: int) -> ApiError:
    """Return the error for a failed exchange, which may have processed the request or not."""
    return ApiError(
        -1001,
        "Internal error; unable to process your request. Please try again.",
        http_status=http_status,
    )


def maintenance_error(page: bytes) -> ApiError:
    """Return the error for maintenance: a page of HTML."""
    return ApiError(-1016, "This service is no longer available.", http_status=503, page=page)


def firewall_error(page: bytes) -> ApiError:
    """Return the error of a firewall in front of the exchange: a page of HTML, no code."""
    return ApiError(0, "Forbidden", http_status=403, page=page)


def order_archived_error() -> ApiError:
    """Return the error for an order that ended over 90 days ago with nothing executed."""
    return ApiError(
        -2026,
        "Order was canceled or expired with no executed qty over 90 days ago and has been"
        " archived.",
    )


def no_such_path_error(path: str, method: str) -> ApiError:
    """Return the error for a path or method that does not exist.

    Code and text are those of Binance's gateway for its other routes. errors.md does not list them:
    they are from answers that users report, read 2026-11-27. For a path under `/api/` a client may
    get a page of HTML from the server in front of it instead.
    """
    return ApiError(-5000, f"Path {path}, Method {method} is invalid", http_status=404)


def missing_parameter_error(name: str) -> ApiError:
    """Return the error for a missing mandatory parameter."""
    return ApiError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def illegal_characters_error(name: str, pattern: str) -> ApiError:
    """Return the error for a parameter that does not match `pattern`, a regular expression."""
    return ApiError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'."
    )


def invalid_time_unit_error() -> ApiError:
    """Return the error for an invalid value of the header `X-MBX-TIME-UNIT`."""
    return ApiError(
        -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
    )


def invalid_parameter_error(name: str) -> ApiError:
    """Return the error for a parameter whose value is out of bounds."""
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def invalid_symbol_error() -> ApiError:
    """Return the error for a symbol that is not traded."""
    return ApiError(-1121, "Invalid symbol.")


def no_such_order_error() -> ApiError:
    """Return the error for an id that no order has."""
    return ApiError(-2013, "Order does not exist.")


def client_id_mismatch_error() -> ApiError:
    """Return the error for a look-up by two ids of different orders."""
    return ApiError(-2039, "Client order ID is not correct for this order ID.")


def wrong_key_error() -> ApiError:
    """Return the error for a key that is unknown, from another address or without permission."""
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", http_status=401)
