"""Pages of orders as Bybit sends them, decoded so that an unreadable order fails alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.exchanges.bybit.constants import CATEGORY, MAX_CURSOR_LENGTH, PAGE_SIZE
from reconciler.exchanges.json_answers import (
    RowReader,
    UnreadableOrder,
    parse_json,
    rows_in,
    text_id,
    value_at,
)


class RawOrder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One order as sent. Quantities are text, so that an invalid one fails alone.

    Fields that only help to tell the order from another may be missing, or of any type.
    """

    symbol: str
    order_id: str
    order_status: str
    cum_exec_qty: str
    cum_exec_value: str | None = None
    avg_price: str | None = None
    qty: str | None = None
    order_type: str | None = None
    market_unit: str | None = None
    side: object = None
    order_link_id: object = None
    created_time: object = None
    updated_time: object = None


RawOrders = Sequence[RawOrder | UnreadableOrder[str]]

_ROWS = RowReader(
    RawOrder,
    symbol="symbol",
    order_id="orderId",
    as_id=text_id,
    decides_nothing=("updated_time",),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderPage:
    """A page of orders, and the cursor of the next one; None if this is the last."""

    orders: RawOrders
    next_cursor: str | None


def decode_page(body: bytes) -> OrderPage:
    """Decode a page of orders.

    Bybit gives a cursor with the last page, too: a page that is not full is the last.

    Raises:
        ValueError: the body is no page of spot orders.
    """
    result = value_at(parse_json(body), "result")
    category = value_at(result, "category")
    if category != CATEGORY:
        raise ValueError(f"asked for {CATEGORY} orders, the answer is about {str(category)[:40]!r}")
    rows = rows_in(result, "list")
    is_full = len(rows) >= PAGE_SIZE
    return OrderPage(orders=_ROWS.read_all(rows), next_cursor=_cursor(result) if is_full else None)


def _cursor(result: Any) -> str | None:
    cursor = result.get("nextPageCursor")
    if cursor is None or cursor == "":
        return None
    if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR_LENGTH:
        raise ValueError("its nextPageCursor is no cursor")
    return cursor
