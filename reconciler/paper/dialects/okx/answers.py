"""OKX's answers and errors, with its fields, formats and codes.

Every answer is `{"code": ..., "msg": ..., "data": [...]}`, and every value in it is text. Source:
API guide, "Order details", "Get instruments", "Get account configuration" and "REST API error
codes", read 2026-11-28.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus

import msgspec

from reconciler.paper import fixed_point
from reconciler.paper.dialects.dialect import PaperAnswer, Refused
from reconciler.paper.dialects.okx.spelling import order_id_of, symbol_of, word_of
from reconciler.paper.lifecycle import ExchangeStatus
from reconciler.paper.market import Market
from reconciler.paper.orders import PaperOrder

SPOT = "SPOT"
_ORDER_TYPES = {"IOC": "ioc", "FOK": "fok"}
_MARKET_ORDERS = 8
"""Every eighth order to buy that will be filled is a market order, sized in quote currency."""


class OneOrder(msgspec.Struct, frozen=True):
    """The answer to a look-up."""

    data: tuple[dict[str, object], ...]
    code: str = "0"
    msg: str = ""


class OrderList(msgspec.Struct, frozen=True):
    """A page of orders."""

    data: tuple[dict[str, object], ...]
    code: str = "0"
    msg: str = ""


def envelope(*rows: object) -> dict[str, object]:
    """Return an answer that has these rows."""
    return {"code": "0", "data": rows, "msg": ""}


def wire_order(order: PaperOrder, market: Market) -> dict[str, object]:
    """Return an order as every route shows it."""
    state = order.state
    average = state.avg_price
    is_market = is_market_order(order)
    quantity = _quote_size_e8(order) if is_market else order.qty_e8
    return {
        "accFillSz": plain(state.executed_e8),
        "algoClOrdId": "",
        "algoId": "",
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": [],
        "avgPx": "" if average is None else f"{average.normalize():f}",
        "cTime": str(order.created_ms),
        "cancelSource": "",
        "cancelSourceReason": "",
        "category": "normal",
        "ccy": "",
        "clOrdId": order.client_order_id,
        "fee": "0",
        "feeCcy": market.base if order.is_buy else market.quote,
        "fillPx": "" if average is None else f"{average.normalize():f}",
        "fillSz": plain(state.executed_e8),
        "fillTime": "" if state.executed_e8 == 0 else str(order.updated_ms),
        "instId": symbol_of(market),
        "instType": SPOT,
        "isTpLimit": "false",
        "lever": "",
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": order_id_of(order.order_id),
        "ordType": order_type(order),
        "pnl": "0",
        "posSide": "net",
        "px": "" if is_market else plain(order.price_e8),
        "pxType": "",
        "pxUsd": "",
        "pxVol": "",
        "quickMgnType": "",
        "rebate": "0",
        "rebateCcy": market.quote if order.is_buy else market.base,
        "reduceOnly": "false",
        "side": "buy" if order.is_buy else "sell",
        "slOrdPx": "",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "source": "",
        "state": word_of(state),
        "stpId": "",
        "stpMode": "cancel_maker",
        "sz": plain(quantity),
        "tag": "",
        "tdMode": "cash",
        "tgtCcy": "quote_ccy" if is_market else "",
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "tradeId": "",
        "tradeQuoteCcy": market.quote,
        "uTime": str(order.updated_ms),
    }


def order_type(order: PaperOrder) -> str:
    """Return the `ordType`."""
    if is_market_order(order):
        return "market"
    return _ORDER_TYPES.get(order.time_in_force, "limit")


def is_market_order(order: PaperOrder) -> bool:
    """Return True if the order is shown as a market order, sized in quote currency."""
    return (
        order.is_buy
        and order.order_id % _MARKET_ORDERS == 0
        and order.states[-1].exchange_status == ExchangeStatus.FILLED
    )


def _quote_size_e8(order: PaperOrder) -> int:
    """Return what the order was placed for: all that it will be filled for."""
    return max(state.quote_e8 for state in order.states)


def plain(value_e8: int) -> str:
    """Return a number as OKX writes it, without zeros at the end."""
    return f"{fixed_point.to_decimal(value_e8).normalize():f}"


def wire_instrument(market: Market) -> dict[str, object]:
    """Return a spot instrument."""
    return {
        "alias": "",
        "auctionEndTime": "",
        "baseCcy": market.base,
        "category": "1",
        "contTdSwTime": "",
        "ctMult": "",
        "ctType": "",
        "ctVal": "",
        "ctValCcy": "",
        "expTime": "",
        "futureSettlement": False,
        "groupId": "1",
        "instFamily": "",
        "instId": symbol_of(market),
        "instIdCode": None,
        "instType": SPOT,
        "lever": "",
        "listTime": "1606468572000",
        "lotSz": plain(market.step_e8),
        "maxIcebergSz": "9999999999",
        "maxLmtAmt": "20000000",
        "maxLmtSz": "9999999999",
        "maxMktAmt": "1000000",
        "maxMktSz": "1000000",
        "maxStopSz": "1000000",
        "maxTriggerSz": "9999999999",
        "maxTwapSz": "9999999999",
        "minSz": plain(market.step_e8),
        "openType": "call_auction",
        "optType": "",
        "preMktSwTime": "",
        "quoteCcy": market.quote,
        "ruleType": "normal",
        "settleCcy": "",
        "state": "live",
        "stk": "",
        "tickSz": plain(market.tick_e8),
        "tradeQuoteCcyList": [market.quote],
        "uly": "",
        "upcChg": [],
    }


def wire_account(uid: int) -> dict[str, object]:
    """Return the account's configuration: a main account in spot mode, and a key that may read."""
    return {
        "acctLv": "1",
        "acctStpMode": "cancel_maker",
        "autoLoan": False,
        "ctIsoMode": "automatic",
        "enableSpotBorrow": False,
        "feeType": "0",
        "greeksType": "PA",
        "ip": "",
        "kycLv": "3",
        "label": "paper",
        "level": "Lv1",
        "levelTmp": "",
        "liquidationGear": "-1",
        "mainUid": str(uid),
        "mgnIsoMode": "automatic",
        "opAuth": "0",
        "perm": "read_only",
        "posMode": "net_mode",
        "roleType": "0",
        "settleCcy": "USDT",
        "settleCcyList": ["USD", "USDT", "USDC"],
        "spotBorrowAutoRepay": False,
        "spotOffsetType": "",
        "spotRoleType": "0",
        "spotTraderInsts": [],
        "stgyType": "0",
        "traderInsts": [],
        "type": "0",
        "uid": str(uid),
    }


def one_order(order: PaperOrder, market: Market) -> OneOrder:
    """Return the answer to a look-up."""
    return OneOrder(data=(wire_order(order, market),))


def order_list(orders: Iterable[PaperOrder], markets: "dict[str, Market]") -> OrderList:
    """Return a page. `markets` are by inner symbol."""
    return OrderList(data=tuple(wire_order(order, markets[order.symbol]) for order in orders))


def error(
    code: str, message: str, status: int = HTTPStatus.OK, rows: Sequence[object] = ()
) -> PaperAnswer:
    """Return an error."""
    return PaperAnswer.of({"code": code, "data": rows, "msg": message}, status)


def refused(code: str, message: str, status: int = HTTPStatus.OK) -> Refused:
    """Return an error to raise."""
    return Refused(error(code, message, status))


def bad_parameter(name: str) -> Refused:
    """Return the error for a parameter with a value that cannot be."""
    return refused("51000", f"Parameter {name} error", HTTPStatus.BAD_REQUEST)


def missing_parameter(name: str) -> Refused:
    """Return the error for a mandatory parameter that was not sent."""
    return refused("50014", f"Parameter {name} can not be empty.", HTTPStatus.BAD_REQUEST)


def missing_header(code: str, name: str) -> Refused:
    """Return the error for a header that was not sent."""
    message = f'Request header "{name}" cannot be empty.'
    return refused(code, message, HTTPStatus.UNAUTHORIZED)


def unknown_instrument() -> Refused:
    """Return the error for an instrument that is not listed."""
    return refused("51001", "Instrument ID, Instrument ID code or Spread ID doesn't exist.")


def unknown_order() -> Refused:
    """Return the error for an id that no order has."""
    return refused("51603", "Order does not exist.")
