"""The answers and errors of Bybit's v5 API, with its field names, formats and codes.

Source, read 2026-11-28: docs/v5 of github.com/bybit-exchange/docs: guide.mdx, "Common response
parameters"; error.mdx; order/open-order.mdx and order/order-list.mdx, which name the fields that
spot orders lack. Texts of errors that the pages do not have are from reports of users. How many
decimal places a number has is not documented: here it has those that it needs.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from http import HTTPStatus
from typing import Any

import msgspec

from reconciler.paper import fixed_point
from reconciler.paper.dialects.bybit.statuses import word_of
from reconciler.paper.dialects.dialect import HTML, PaperAnswer, Refused
from reconciler.paper.market import Market
from reconciler.paper.orders import PaperOrder

CATEGORY = "spot"

_AVERAGE = Context(prec=28, rounding=ROUND_HALF_EVEN)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every answer is wrapped in."""

    ret_code: int
    ret_msg: str
    result: object
    ret_ext_info: dict[str, object] = {}
    time: int


class WireOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename="camel"):
    """A spot order as `realtime` and `history` show it."""

    order_id: str
    order_link_id: str
    block_trade_id: str = ""
    symbol: str
    price: str
    qty: str
    side: str
    is_leverage: str = "0"
    position_idx: int = 0
    order_status: str
    cancel_type: str = "UNKNOWN"
    reject_reason: str = "EC_NoError"
    avg_price: str
    leaves_qty: str
    leaves_value: str
    cum_exec_qty: str
    cum_exec_value: str
    cum_exec_fee: str = "0"
    time_in_force: str
    order_type: str = "Limit"
    stop_order_type: str = ""
    order_iv: str = ""
    market_unit: str = ""
    trigger_price: str = "0.0"
    take_profit: str = "0"
    stop_loss: str = "0"
    oco_trigger_by: str = ""
    tp_limit_price: str = "0"
    sl_limit_price: str = "0"
    tp_trigger_by: str = ""
    sl_trigger_by: str = ""
    trigger_direction: int = 0
    trigger_by: str = ""
    last_price_on_created: str = ""
    base_price: str
    reduce_only: bool = False
    close_on_trigger: bool = False
    place_type: str = ""
    smp_type: str = "None"
    smp_group: int = 0
    smp_order_id: str = ""
    created_time: str
    updated_time: str
    cum_fee_detail: dict[str, str] = {}


class OrderPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a list of orders."""

    category: str = CATEGORY
    list: Sequence[WireOrder]
    next_page_cursor: str


def enveloped(result: object, now_ms: int) -> Envelope:
    """Wrap the result of a request that was answered."""
    return Envelope(ret_code=0, ret_msg="OK", result=result, time=now_ms)


def wire_order(order: PaperOrder, order_id: str) -> WireOrder:
    """Return an order as an answer shows it. `order_id` is its id as answers spell it."""
    state = order.state
    left_e8 = order.qty_e8 - state.executed_e8 if state.is_open else 0
    price = fixed_point.to_decimal(order.price_e8)
    return WireOrder(
        order_id=order_id,
        order_link_id=order.client_order_id,
        symbol=order.symbol,
        price=_plain(price),
        qty=_plain(fixed_point.to_decimal(order.qty_e8)),
        side="Buy" if order.is_buy else "Sell",
        order_status=word_of(state),
        avg_price=_average(state.quote_e8, state.executed_e8),
        leaves_qty=_plain(fixed_point.to_decimal(left_e8)),
        leaves_value=_plain(fixed_point.to_decimal(left_e8) * price),
        cum_exec_qty=_plain(fixed_point.to_decimal(state.executed_e8)),
        cum_exec_value="" if state.quote_e8 < 0 else _plain(fixed_point.to_decimal(state.quote_e8)),
        time_in_force=order.time_in_force,
        base_price=_plain(price),
        created_time=str(order.created_ms),
        updated_time=str(order.updated_ms),
    )


def _average(quote_e8: int, executed_e8: int) -> str:
    """Return the average price: "" for an order without one."""
    if executed_e8 <= 0 or quote_e8 < 0:
        return ""
    return _plain(_AVERAGE.divide(Decimal(quote_e8), Decimal(executed_e8)))


def _plain(value: Decimal) -> str:
    """Write a number without exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def wire_market(market: Market) -> dict[str, object]:
    """Return a symbol's rules for `instruments-info` (market/instrument.mdx, "Spot")."""
    step = _plain(fixed_point.to_decimal(market.step_e8))
    tick = _plain(fixed_point.to_decimal(market.tick_e8))
    return {
        "symbol": market.symbol,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": step,
            "quotePrecision": _plain(fixed_point.to_decimal(market.quote_unit_e8)),
            "minOrderQty": step,
            "maxOrderQty": "9000000",
            "minOrderAmt": "1",
            "maxOrderAmt": "9000000",
        },
        "priceFilter": {"tickSize": tick},
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
    }


def wire_key(uid: int, api_key: str) -> dict[str, object]:
    """Return the answer to `query-api` (user/apikey-info.mdx): a read-only key."""
    return {
        "id": "13770661",
        "note": "paper",
        "apiKey": api_key,
        "readOnly": 1,
        "secret": "",
        "permissions": {"ContractTrade": [], "Spot": ["SpotTrade"], "Wallet": [], "Options": []},
        "ips": ["*"],
        "type": 1,
        "deadlineDay": 83,
        "expiredAt": "2099-12-31T00:00:00Z",
        "createdAt": "2025-10-13T03:20:45Z",
        "unified": 0,
        "uta": 1,
        "userID": uid,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_1",
        "kycRegion": "",
    }


def error_answer(
    code: int, message: str, now_ms: int, *, status: int = HTTPStatus.OK, **headers: str
) -> PaperAnswer:
    """Return an error: mostly with HTTP 200, so that only `retCode` tells it from an answer."""
    envelope = Envelope(ret_code=code, ret_msg=message, result={}, time=now_ms)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PaperAnswer.of(envelope, status, named)


def page_answer(status: int, text: str, headers: dict[str, str] | None = None) -> PaperAnswer:
    """Return a page of HTML from what stands in front of the exchange."""
    page = f"<html><head><title>ERROR</title></head><body><h1>{text}</h1></body></html>"
    return PaperAnswer(body=page.encode(), status=status, media_type=HTML, headers=headers or {})


def parameter_error(text: str, now_ms: int) -> Refused:
    """Return the error for a wrong parameter."""
    return Refused(error_answer(10001, f"params error: {text}", now_ms))


def is_order_page(answer: object) -> bool:
    """Return True for the answer to a list or a look-up of orders."""
    return isinstance(answer, Envelope) and isinstance(answer.result, OrderPage)


def without_orders(answer: Envelope) -> Envelope:
    """Return the answer of a list with no orders in it."""
    return msgspec.structs.replace(answer, result=OrderPage(list=(), next_page_cursor=""))


def orders_in(answer: Any) -> list[dict[str, Any]] | None:
    """Return the orders of a decoded answer; None if it is about something else."""
    result = answer.get("result") if isinstance(answer, dict) else None
    listed = result.get("list") if isinstance(result, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        return None
    return listed if all("orderId" in one for one in listed) else None
