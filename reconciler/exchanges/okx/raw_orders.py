"""Orders as OKX sends them, decoded so that an unreadable order fails alone.

Every answer is an object with `code`, `msg` and `data`, a list. All values of an order are text,
ids and times too. Usually a body is decoded in one go, in a third of the time. If that fails, or if
a field may stand twice, it is decoded order by order.
"""

from collections.abc import Sequence

import msgspec

from reconciler.exchanges.json_answers import (
    DECODE_ERRORS,
    RowReader,
    UnreadableOrder,
    parse_json,
    rows_in,
    text_id,
)


class RawOrder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One order as sent. Quantities are text, so that an invalid one fails alone.

    Fields that only help to tell the order from another may be missing, or of any type.
    """

    symbol: str = msgspec.field(name="instId")
    order_id: str = msgspec.field(name="ordId")
    state: str
    acc_fill_sz: str
    avg_px: str | None = None
    sz: str | None = None
    tgt_ccy: str | None = None
    ord_type: str | None = None
    inst_type: str | None = None
    side: object = None
    cl_ord_id: object = None
    c_time: object = None
    u_time: object = None


RawOrders = Sequence[RawOrder | UnreadableOrder[str]]

_ROWS: RowReader[RawOrder, str] = RowReader(
    RawOrder, symbol="instId", order_id="ordId", as_id=text_id, decides_nothing=("u_time",)
)


class _Page(msgspec.Struct, frozen=True, gc=False):
    data: list[RawOrder]


_decode_page = msgspec.json.Decoder(_Page).decode


def decode_orders(body: bytes) -> RawOrders:
    """Decode a list of orders. An order with contradictory entries is unreadable.

    Raises:
        ValueError: the body has no list of orders.
    """
    orders = _decode_at_once(body)
    if orders is None:
        return _ROWS.read_all(rows_in(parse_json(body), "data"))
    return _ROWS.without_contradictions(orders)


def _decode_at_once(body: bytes) -> Sequence[RawOrder] | None:
    """Decode the body if each order in it can certainly be read, and has each field once."""
    if body.count(b'"data"') != 1:
        return None
    try:
        orders = _decode_page(body).data
    except DECODE_ERRORS:
        return None
    return orders if _ROWS.has_each_field_once(body, orders) else None
