"""Orders, pairs and errors as Kraken writes them.

Sources, read 2026-11-28: the examples of "Get Open Orders", "Get Closed Orders", "Query Orders
Info", "Get Tradable Asset Pairs" and "Get API Key Info" on docs.kraken.com. Times are seconds since
1970 with a fraction; quantities are text. Errors come with HTTP 200.

A real order's `price` has the decimal places of its pair, and its `cost` is cut off; these have
all.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from reconciler.domain.status import Status
from reconciler.paper import fixed_point
from reconciler.paper.dialects.dialect import PaperAnswer, Refused
from reconciler.paper.dialects.kraken.names import (
    altname,
    full_name,
    full_pair_name,
    pair_name,
    txid_of,
)
from reconciler.paper.lifecycle import ExchangeStatus, OrderState
from reconciler.paper.market import Market, market_for
from reconciler.paper.orders import PaperOrder

WORDS: Mapping[str, str] = {
    ExchangeStatus.PENDING_NEW: "pending",
    ExchangeStatus.NEW: "open",
    ExchangeStatus.PARTIALLY_FILLED: "open",
    ExchangeStatus.PENDING_CANCEL: "open",
    ExchangeStatus.FILLED: "closed",
    ExchangeStatus.CANCELED: "canceled",
    # There is no word for it: an order that is refused gets no id. One that is refused later, such
    # as for lack of margin, is canceled with that as its reason.
    ExchangeStatus.REJECTED: "canceled",
    ExchangeStatus.EXPIRED: "expired",
    ExchangeStatus.EXPIRED_IN_MATCH: "expired",
}
"""The word for each status ("Get Open Orders", `status`)."""

ROW_STATUSES: Mapping[str, Status] = {
    "pending": Status.PENDING,
    "open": Status.NEW,
    "closed": Status.FILLED,
    "canceled": Status.CANCELED,
    "expired": Status.EXPIRED,
}
"""What a row says once a word was read, if nothing is executed of an open order."""

_NOTHING = "0.00000"
_FEE_SHARE = Decimal("0.0026")


def error_answer(*texts: str) -> PaperAnswer:
    """Answer with errors."""
    return PaperAnswer.of({"error": list(texts)})


def refused(text: str) -> Refused:
    """Return the exception that answers with one error."""
    return Refused(error_answer(text))


def wire_result(result: object) -> dict[str, object]:
    """Return an answer without errors."""
    return {"error": [], "result": result}


def word_of(state: OrderState) -> str:
    """Return Kraken's word for a state; a status that was set by hand as it is."""
    return WORDS.get(state.exchange_status, state.exchange_status)


def row_status_of(state: OrderState) -> Status | None:
    """Return what a row must say once the word of a state was read."""
    status = ROW_STATUSES.get(word_of(state))
    if status is None or status.is_terminal or state.executed_e8 <= 0:
        return status
    return Status.PARTIAL


def wire_order(order: PaperOrder) -> dict[str, object]:
    """Return one order as all lists show it, without its id."""
    state = order.state
    pair = pair_name(market_for(order.symbol))
    side = "buy" if order.is_buy else "sell"
    quantity, price = fixed_point.to_text(order.qty_e8), fixed_point.to_text(order.price_e8)
    has_cost = state.executed_e8 > 0 and state.quote_e8 > 0
    average = state.avg_price if has_cost else None
    cost = fixed_point.to_decimal(state.quote_e8) if has_cost else Decimal(0)
    fields: dict[str, object] = {
        "refid": None,
        "userref": None,
        "cl_ord_id": order.client_order_id,
        "status": word_of(state),
        "opentm": order.created_ms / 1000,
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": pair,
            "type": side,
            "ordertype": "limit",
            "price": price,
            "price2": "0",
            "leverage": "none",
            "order": f"{side} {quantity} {pair} @ limit {price}",
            "close": "",
        },
        "vol": quantity,
        "vol_exec": fixed_point.to_text(state.executed_e8),
        "cost": f"{cost:.8f}" if has_cost else _NOTHING,
        "fee": f"{cost * _FEE_SHARE:.8f}" if has_cost else _NOTHING,
        "price": _NOTHING if average is None else f"{average:f}",
        "stopprice": _NOTHING,
        "limitprice": _NOTHING,
        "misc": "",
        "oflags": "fciq",
    }
    if not state.is_open:
        fields["closetm"] = order.updated_ms / 1000
        fields["reason"] = _reason(state)
    return fields


def _reason(state: OrderState) -> str | None:
    match state.exchange_status:
        case ExchangeStatus.CANCELED:
            return "User requested"
        case ExchangeStatus.REJECTED:
            return "Insufficient margin"
        case _:
            return None


def wire_orders(orders: Iterable[PaperOrder]) -> dict[str, dict[str, object]]:
    """Return several orders by their ids."""
    return {txid_of(order.order_id): wire_order(order) for order in orders}


def wire_pairs(markets: Sequence[Market]) -> dict[str, dict[str, object]]:
    """Return the pairs, with the fields that clients read."""
    return {full_pair_name(market): _wire_pair(market) for market in markets}


def _wire_pair(market: Market) -> dict[str, object]:
    return {
        "altname": pair_name(market),
        "wsname": f"{altname(market.base)}/{altname(market.quote)}",
        "aclass_base": "currency",
        "base": full_name(market.base),
        "aclass_quote": "currency",
        "quote": full_name(market.quote),
        "lot": "unit",
        "cost_decimals": fixed_point.PLACES,
        "pair_decimals": market.price_places,
        "lot_decimals": fixed_point.PLACES,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": fixed_point.to_text(market.step_e8),
        "costmin": "0.5",
        "tick_size": fixed_point.to_text(market.tick_e8),
        "status": "online",
    }


def wire_assets(markets: Sequence[Market]) -> dict[str, dict[str, object]]:
    """Return the assets of the pairs."""
    assets = sorted({asset for market in markets for asset in (market.base, market.quote)})
    return {
        full_name(asset): {
            "aclass": "currency",
            "altname": altname(asset),
            "decimals": 10,
            "display_decimals": 5,
            "status": "enabled",
        }
        for asset in assets
    }


def iiban_of(uid: int) -> str:
    """Return the account's IIBAN: two letters, two digits, and twelve more in groups of four."""
    digits = f"{uid:012d}"[-12:]
    return f"AA{uid % 97:02d} {digits[:4]} {digits[4:8]} {digits[8:]}"
