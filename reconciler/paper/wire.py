"""The exchange's answers as it writes them: field names, order and form.

Source: Binance Spot API documentation, "Query order", "All orders", "Account information" and
"Exchange information", read 2026-11-24.
"""

from collections.abc import Iterable

import msgspec

from reconciler.paper import fixed
from reconciler.paper.market import Market
from reconciler.paper.orders import Order

_ZERO = fixed.to_text(0)


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


def write_order(order: Order) -> WireOrder:
    """Write an order as it stands now."""
    stage = order.stage
    return WireOrder(
        order.symbol,
        order.order_id,
        -1,
        order.client_order_id,
        fixed.to_text(order.price_e8),
        fixed.to_text(order.qty_e8),
        fixed.to_text(stage.executed_e8),
        fixed.to_text(stage.quote_e8),
        stage.word,
        order.time_in_force,
        "LIMIT",
        "BUY" if order.is_buy else "SELL",
        _ZERO,
        _ZERO,
        order.created_ms,
        order.updated_ms,
        True,  # noqa: FBT003  # by position: this runs a thousand times a page
        order.created_ms,
        _ZERO,
        "NONE",
    )


def write_orders(orders: Iterable[Order]) -> list[WireOrder]:
    """Write a page of orders."""
    return [write_order(order) for order in orders]


def write_market(market: Market) -> dict[str, object]:
    """Write a symbol's trading rules for `exchangeInfo`."""
    tick, step = fixed.to_text(market.tick_e8), fixed.to_text(market.step_e8)
    return {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.base,
        "baseAssetPrecision": fixed.PLACES,
        "quoteAsset": market.quote,
        "quotePrecision": fixed.PLACES,
        "quoteAssetPrecision": fixed.PLACES,
        "baseCommissionPrecision": fixed.PLACES,
        "quoteCommissionPrecision": fixed.PLACES,
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


def write_exchange(
    markets: Iterable[Market], *, weight_limit: int, now_ms: int
) -> dict[str, object]:
    """Write the exchange's rules for `exchangeInfo`."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
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


def write_account(now_ms: int) -> dict[str, object]:
    """Write the account for `account`: one that may trade and holds nothing."""
    rate = fixed.to_text(0)
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
        "updateTime": now_ms,
        "accountType": "SPOT",
        "balances": [],
        "permissions": ["SPOT"],
        "uid": ACCOUNT_UID,
    }


ACCOUNT_UID = 8900
"""The account's identity: every paper exchange has this one account."""
