"""Orders as OKX sends them, decoded so that an unreadable order fails alone.

Every answer is an object with `code`, `msg` and `data`, a list. All values of an order are text,
ids and times too.
"""

from collections.abc import Sequence

import msgspec

from reconciler.exchanges.json_answers import (
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


def decode_orders(body: bytes) -> RawOrders:
    """Decode a list of orders. An order with contradictory entries is unreadable.

    Raises:
        ValueError: the body has no list of orders.
    """
    return _ROWS.read_all(rows_in(parse_json(body), "data"))
