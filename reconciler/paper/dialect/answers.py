"""The exchange's answers and errors, with its field names, order of fields, formats and codes.

Source, read 2026-11-24: Binance Spot API documentation, rest-api.md, "Query order", "All orders",
"Account information" and "Exchange information"; codes and messages from errors.md. Which 4XX a
code comes with is not documented: here it is 401 where a key or token is refused, else 400.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum

import msgspec

from reconciler.paper import fixed_point
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


def write_order(order: PaperOrder, unit: TimeUnit = TimeUnit.MILLISECOND) -> WireOrder:
    """Return an order's fields, its times in `unit`."""
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
        state.binance_status,
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


def write_orders(orders: Iterable[PaperOrder], unit: TimeUnit) -> list[WireOrder]:
    """Return a page of orders, their times in `unit`."""
    return [write_order(order, unit) for order in orders]


def write_market(market: Market) -> dict[str, object]:
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


def write_exchange(markets: Iterable[Market], *, weight_limit: int, now: int) -> dict[str, object]:
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
        "symbols": [write_market(market) for market in markets],
    }


def write_account(uid: int, now: int) -> dict[str, object]:
    """Return the account for `account`: one that may trade and holds nothing."""
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


class Refusal(Exception):
    """Answers a request with an error.

    The body is the exchange's own, `{"code": ..., "msg": ...}`; or a `page` of HTML, where
    something in front of the exchange answers.
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
        self.page = page
        self.http_status = http_status
        self.headers = dict(headers or {})
        super().__init__(f"{code}: {message}")

    @property
    def media_type(self) -> str:
        """The body's media type."""
        return "application/json" if self.page is None else "text/html"

    def body(self) -> bytes:
        """Return the answer's body."""
        if self.page is not None:
            return self.page
        return msgspec.json.encode({"code": self.code, "msg": self.message})


def too_much_weight(limit: int, retry_after_seconds: int) -> Refusal:
    """Refuse a request that is over the limit until the window ends."""
    return Refusal(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
        " Please use WebSocket Streams for live updates to avoid polling the API.",
        http_status=429,
        headers={"Retry-After": str(retry_after_seconds)},
    )


def banned(until_ms: int, retry_after_seconds: int) -> Refusal:
    """Refuse a request of an address that kept sending requests during a pause."""
    return Refusal(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}."
        " Please use WebSocket Streams for live updates to avoid bans.",
        http_status=418,
        headers={"Retry-After": str(retry_after_seconds)},
    )


def server_error(http_status: int) -> Refusal:
    """Answer as the exchange does when it fails: it may have acted or not."""
    return Refusal(
        -1001,
        "Internal error; unable to process your request. Please try again.",
        http_status=http_status,
    )


def maintenance(page: bytes) -> Refusal:
    """Answer with a page of HTML, as during maintenance."""
    return Refusal(-1016, "This service is no longer available.", http_status=503, page=page)


def blocked(page: bytes) -> Refusal:
    """Answer as the firewall in front of the exchange does: a page of HTML, and no code."""
    return Refusal(0, "Forbidden", http_status=403, page=page)


def archived() -> Refusal:
    """Refuse an archived order: one that ended over 90 days ago with nothing executed."""
    return Refusal(
        -2026,
        "Order was canceled or expired with no executed qty over 90 days ago and has been"
        " archived.",
    )


def no_such_path(path: str, method: str) -> Refusal:
    """Refuse a path or method that does not exist.

    Code and text are those of Binance's gateway for its other routes. errors.md does not list them:
    they are from answers that users report, read 2026-11-27. For a path under `/api/` a client may
    get a page of HTML from the server in front of it instead.
    """
    return Refusal(-5000, f"Path {path}, Method {method} is invalid", http_status=404)


def missing(name: str) -> Refusal:
    """Refuse a request without a mandatory parameter."""
    return Refusal(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def illegal(name: str, legal: str) -> Refusal:
    """Refuse a parameter that holds characters outside of `legal`, a regular expression."""
    return Refusal(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def invalid_time_unit() -> Refusal:
    """Refuse a value of the header `X-MBX-TIME-UNIT`."""
    return Refusal(
        -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
    )


def not_valid(name: str) -> Refusal:
    """Refuse a parameter whose value is out of bounds."""
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def invalid_symbol() -> Refusal:
    """Refuse a symbol that is not traded."""
    return Refusal(-1121, "Invalid symbol.")


def no_such_order() -> Refusal:
    """Refuse an id that no order has."""
    return Refusal(-2013, "Order does not exist.")


def other_client_id() -> Refusal:
    """Refuse a look-up by two ids of different orders."""
    return Refusal(-2039, "Client order ID is not correct for this order ID.")


def wrong_key() -> Refusal:
    """Refuse a key: unknown, not from this address, or without the permission."""
    return Refusal(-2015, "Invalid API-key, IP, or permissions for action.", http_status=401)
