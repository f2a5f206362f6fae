"""Pages of orders as the venue sends them, decoded so that an unreadable order fails alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from reconciler.exchanges.json_answers import (
    RowReader,
    UnreadableOrder,
    parse_json,
    rows_in,
    text_id,
    value_at,
)


class RawOrder(msgspec.Struct, frozen=True, gc=False):
    """One order as sent. Quantities are text, so that an invalid one fails alone.

    Fields that only help to tell the order from another may be missing, or of any type.
    """

    symbol: str
    order_id: str = msgspec.field(name="id")
    status: str
    filled: str
    average: str | None = None
    size: str | None = None
    size_unit: str | None = None
    side: object = None
    client_id: object = None
    placed_at: object = None


RawOrders = Sequence[RawOrder | UnreadableOrder[str]]

_ROWS = RowReader(RawOrder, symbol="symbol", order_id="id", as_id=text_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderPage:
    """A page of orders, and the cursor of the next one; None if this is the last."""

    orders: RawOrders
    next_cursor: str | None


def decode_page(body: bytes) -> OrderPage:
    """Decode a page of orders.

    Raises:
        ValueError: the body is no page of orders.
    """
    parsed = parse_json(body)
    cursor = value_at(parsed, "next")
    if cursor is not None and not isinstance(cursor, str):
        raise ValueError("its cursor is no text")
    return OrderPage(orders=_ROWS.read_all(rows_in(parsed, "orders")), next_cursor=cursor or None)
