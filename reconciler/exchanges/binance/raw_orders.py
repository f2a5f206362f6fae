"""Orders as Binance sends them, decoded so that an unreadable order fails alone.

Usually a body is decoded in one go. If that fails, or if a field may stand twice, it is decoded
order by order with a slower parser, which also accepts invalid JSON (a bare NaN).
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from reconciler.exchanges.json_answers import (
    DECODE_ERRORS,
    RowReader,
    UnreadableOrder,
    number_id,
    parse_json,
    rows_in,
)


class RawOrder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One order as sent. Quantities are text, so that an invalid one fails alone.

    Fields that only help to tell the order from another may be missing, or of any type.
    """

    symbol: str
    order_id: int
    status: str
    executed_qty: str
    cummulative_quote_qty: str | None = None
    orig_qty: str | None = None
    orig_quote_order_qty: str | None = None
    prevented_quantity: str | None = None
    side: object = None
    client_order_id: object = None
    time: object = None
    update_time: object = None


RawOrders = Sequence[RawOrder | UnreadableOrder[int]]

_ORDER = msgspec.json.Decoder(RawOrder)
_ORDERS = msgspec.json.Decoder(list[RawOrder])
_ROWS = RowReader(
    RawOrder,
    symbol="symbol",
    order_id="orderId",
    as_id=number_id,
    decides_nothing=("update_time",),
)


def decode_order(body: bytes) -> RawOrder | UnreadableOrder[int]:
    """Decode the answer to a look-up. An order without symbol or id is unreadable.

    Raises:
        ValueError: the answer is no order.
    """
    try:
        order = _ORDER.decode(body)
    except DECODE_ERRORS:
        pass
    else:
        if _ROWS.has_each_field_once(body, [order]):
            return order
    parsed = parse_json(body)
    slow = _ROWS.read(parsed)
    if isinstance(slow, UnreadableOrder):
        is_nameless = slow.symbol is None or slow.order_id is None
        if is_nameless and not _resembles_order(parsed):
            raise ValueError(slow.reason)
    return slow


def _resembles_order(parsed: Any) -> bool:
    """Return True if `parsed` has the fields that an order has but no error and no notice."""
    return isinstance(parsed, dict) and {"status", "executedQty"} <= parsed.keys()


def decode_orders(body: bytes) -> RawOrders:
    """Decode a list of orders. An order with contradictory entries is unreadable.

    Raises:
        ValueError: the body is no list.
    """
    try:
        orders = _ORDERS.decode(body)
    except DECODE_ERRORS:
        pass
    else:
        if _ROWS.has_each_field_once(body, orders):
            return _ROWS.without_contradictions(orders)
    return _ROWS.read_all(rows_in(parse_json(body)))
