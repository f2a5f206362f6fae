"""Orders, products and errors as the Advanced Trade API of Coinbase writes them.

Sources, read 2026-11-28: docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api, "Get
Order", "List Orders", "List Public Products", "Get API Key Permissions", "Get Server Time". The
errors are not documented there: their form is quoted in ccxt's coinbase.py, coinbase-advanced-py
(rest_base.py) and in issue 18 of coinbase-samples/advanced-trade-sdk-go (429: a page of HTML).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_05UP, Decimal
from http import HTTPStatus

import msgspec

from reconciler.domain.report import average_price
from reconciler.paper import fixed_point
from reconciler.paper.dialects.coinbase.spelling import order_uuid, product_id, word
from reconciler.paper.dialects.dialect import HTML, PaperAnswer
from reconciler.paper.market import Market, market_for
from reconciler.paper.orders import PaperOrder

_CONFIGURATIONS = {"GTC": "limit_limit_gtc", "IOC": "sor_limit_ioc", "FOK": "limit_limit_fok"}
_TIMES_IN_FORCE = {
    "GTC": "GOOD_UNTIL_CANCELLED",
    "IOC": "IMMEDIATE_OR_CANCEL",
    "FOK": "FILL_OR_KILL",
}
_AVERAGE_PLACES = Decimal("1e-16")
"""The venue's averages have up to 16 decimal places, as in 21220.6399999973697697. The last one
is chosen so that rounding it again gives what rounding the exact average gives."""

_USER = "11111111-1111-4111-8111-111111111111"


class WireOrder(msgspec.Struct, frozen=True, gc=False):
    """An order as "Get Order" and "List Orders" show it."""

    order_id: str
    product_id: str
    user_id: str
    order_configuration: dict[str, dict[str, object]]
    side: str
    client_order_id: str
    status: str
    time_in_force: str
    created_time: str
    completion_percentage: str
    filled_size: str
    average_filled_price: str
    fee: str
    number_of_fills: str
    filled_value: str
    pending_cancel: bool
    size_in_quote: bool
    total_fees: str
    size_inclusive_of_fees: bool
    total_value_after_fees: str
    trigger_status: str
    order_type: str
    reject_reason: str
    settled: bool
    product_type: str
    reject_message: str
    cancel_message: str
    order_placement_source: str
    outstanding_hold_amount: str
    is_liquidation: bool
    last_fill_time: str | None
    edit_history: list[object]
    leverage: str
    margin_type: str
    retail_portfolio_id: str


def wire_order(order: PaperOrder, *, portfolio: str) -> WireOrder:
    """Return an order as an answer shows it."""
    state, shown = order.state, word(order.state)
    value = plain(fixed_point.to_decimal(max(0, state.quote_e8)))
    market = market_for(order.symbol)
    return WireOrder(
        order_id=order_uuid(order.order_id),
        product_id=product_id(market),
        user_id=_USER,
        order_configuration=_configuration(order),
        side="BUY" if order.is_buy else "SELL",
        client_order_id=order.client_order_id,
        status=shown,
        time_in_force=_TIMES_IN_FORCE[order.time_in_force],
        created_time=iso(order.created_ms),
        completion_percentage=_percentage(order),
        filled_size=plain(state.executed_qty),
        average_filled_price=_average(order),
        fee="",
        number_of_fills="1" if state.executed_e8 else "0",
        filled_value=value,
        pending_cancel=shown == "CANCEL_QUEUED",
        size_in_quote=False,
        total_fees="0",
        size_inclusive_of_fees=False,
        total_value_after_fees=value,
        trigger_status="INVALID_ORDER_TYPE",
        order_type="LIMIT",
        reject_reason="REJECT_REASON_UNSPECIFIED",
        settled=shown == "FILLED",
        product_type="SPOT",
        reject_message="",
        cancel_message="",
        order_placement_source="RETAIL_ADVANCED",
        outstanding_hold_amount="0",
        is_liquidation=False,
        last_fill_time=iso(order.updated_ms) if state.executed_e8 else None,
        edit_history=[],
        leverage="",
        margin_type="UNKNOWN_MARGIN_TYPE",
        retail_portfolio_id=portfolio,
    )


def wire_product(market: Market) -> dict[str, object]:
    """Return a product as "List Public Products" shows it."""
    return {
        "product_id": product_id(market),
        "price": plain(fixed_point.to_decimal(market.mid_e8)),
        "base_increment": plain(fixed_point.to_decimal(market.step_e8)),
        "quote_increment": plain(fixed_point.to_decimal(market.tick_e8)),
        "price_increment": plain(fixed_point.to_decimal(market.tick_e8)),
        "base_min_size": plain(fixed_point.to_decimal(market.step_e8)),
        "base_max_size": "9000000",
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "base_name": market.base,
        "quote_name": market.quote,
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": False,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": market.quote,
        "base_currency_id": market.base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [],
        "base_display_symbol": market.base,
        "quote_display_symbol": market.quote,
        "view_only": False,
        "display_name": product_id(market),
        "product_venue": "CBE",
    }


def error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> PaperAnswer:
    """Return an error with the venue's three fields."""
    payload = {"error": code, "error_details": message, "message": message}
    return PaperAnswer.of(payload, status, headers)


def invalid_argument(message: str) -> PaperAnswer:
    """Answer that a parameter is wrong."""
    return error(HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT", message)


def no_such_order() -> PaperAnswer:
    """Answer that there is no such order."""
    return error(HTTPStatus.NOT_FOUND, "NOT_FOUND", "order with this orderID was not found")


def unauthorized() -> PaperAnswer:
    """Answer that a token is missing or wrong: the venue does not say what is wrong with it."""
    return PaperAnswer(
        body=b"Unauthorized\n", status=HTTPStatus.UNAUTHORIZED, media_type="text/plain"
    )


def page(status: int, headers: Mapping[str, str] | None = None) -> PaperAnswer:
    """Answer with a page for browsers, as what stands before the API does."""
    body = b"<html>\n  <head>\n    <title>Coinbase</title>\n  </head>\n</html>\n"
    return PaperAnswer(body=body, status=status, headers=headers or {}, media_type=HTML)


def iso(at_ms: int) -> str:
    """Write a time, with microseconds and without needless zeros: 2023-01-16T23:37:23.94703Z."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    fraction = f".{at.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def plain(number: Decimal) -> str:
    """Write a number without needless zeros and without an exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _configuration(order: PaperOrder) -> dict[str, dict[str, object]]:
    sizes: dict[str, object] = {
        "base_size": plain(fixed_point.to_decimal(order.qty_e8)),
        "limit_price": plain(fixed_point.to_decimal(order.price_e8)),
    }
    if order.time_in_force == "GTC":
        sizes["post_only"] = False
    return {_CONFIGURATIONS[order.time_in_force]: sizes}


def _average(order: PaperOrder) -> str:
    quote = fixed_point.to_decimal(order.state.quote_e8)
    average = average_price(quote, order.state.executed_qty)
    if average is None:
        return "0"
    return plain(average.quantize(_AVERAGE_PLACES, rounding=ROUND_05UP))


def _percentage(order: PaperOrder) -> str:
    if not order.qty_e8:
        return "0"
    return plain(Decimal(100 * order.state.executed_e8 // order.qty_e8))
