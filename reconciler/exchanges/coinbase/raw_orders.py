"""Orders, lists and other answers as the exchange sends them, decoded but not interpreted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from reconciler.exchanges.coinbase.constants import MAX_SYMBOLS
from reconciler.exchanges.json_answers import (
    DuplicateKeys,
    RowReader,
    UnreadableOrder,
    listed_symbols,
    parse_json,
    rows_in,
    text_id,
    value_at,
)
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH, whole_number
from reconciler.exchanges.server_clock import MAX_TIME_MS


class RawOrder(
    msgspec.Struct, frozen=True, gc=False, rename={"symbol": "product_id"}, kw_only=True
):
    """One order as sent. Quantities are text, so that an invalid one fails alone.

    Fields that only help to tell the order from another may be missing, or of any type.
    """

    order_id: str
    symbol: str
    status: str
    filled_size: str
    average_filled_price: str | None = None
    order_configuration: object = None
    size_in_quote: object = None
    edit_history: object = None
    side: object = None
    client_order_id: object = None
    created_time: object = None
    last_fill_time: object = None


RawOrders = Sequence[RawOrder | UnreadableOrder[str]]

_ROWS = RowReader(
    RawOrder,
    symbol="product_id",
    order_id="order_id",
    as_id=text_id,
    decides_nothing=("last_fill_time",),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of a list. `next_cursor` is None on the last one."""

    orders: RawOrders
    next_cursor: str | None


def decode_page(body: bytes) -> Page:
    """Decode a page of "List Orders".

    Raises:
        ValueError: it is no such page, or it says that another follows and not which.
    """
    parsed = parse_json(body)
    orders = _ROWS.read_all(rows_in(parsed, "orders"))
    if value_at(parsed, "has_next") is False:
        return Page(orders=orders, next_cursor=None)
    cursor = value_at(parsed, "cursor")
    if value_at(parsed, "has_next") is not True or not isinstance(cursor, str) or not cursor:
        raise ValueError("it does not say whether another page follows, and which")
    return Page(orders=orders, next_cursor=cursor)


def decode_order(body: bytes) -> RawOrder | UnreadableOrder[str]:
    """Decode the answer to "Get Order".

    Raises:
        ValueError: it is no order.
    """
    return _ROWS.read(value_at(parse_json(body), "order"))


def decode_time(body: bytes) -> int:
    """Decode the exchange's time, in ms since 1970.

    Raises:
        ValueError: there is none.
    """
    text = value_at(parse_json(body), "epochMillis")
    time_ms = whole_number(text, maximum=MAX_TIME_MS) if isinstance(text, str) else None
    if time_ms is None:
        raise ValueError("it has no time")
    return time_ms


class KeyPermissions(msgspec.Struct, frozen=True):
    """What the key may do, and the portfolio that it belongs to."""

    can_view: bool
    portfolio_uuid: str | None = None


class _Product(msgspec.Struct, frozen=True, gc=False):
    product_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]


class _Products(msgspec.Struct, frozen=True):
    products: Annotated[list[_Product], msgspec.Meta(max_length=MAX_SYMBOLS)]


decode_permissions = msgspec.json.Decoder(KeyPermissions).decode
_decode_products = msgspec.json.Decoder(_Products).decode


def decode_symbols(body: bytes) -> frozenset[str]:
    """Decode the list of all products.

    Raises:
        ValueError: it is no such list, or an empty one.
    """
    return listed_symbols(product.product_id for product in _decode_products(body).products)


def sizes_of(configuration: object) -> tuple[str | None, str | None]:
    """Return the base size and the quote size of an order; None for what it does not have.

    `order_configuration` has one object, named after the kind of order. Sizes in several ways, or
    of another type than text, are none.
    """
    if not isinstance(configuration, Mapping) or len(configuration) != 1:
        return None, None
    (sizes,) = configuration.values()
    if not isinstance(sizes, Mapping) or isinstance(sizes, DuplicateKeys):
        return None, None
    return _text(sizes, "base_size"), _text(sizes, "quote_size")


def _text(sizes: Mapping[str, Any], name: str) -> str | None:
    value = sizes.get(name)
    return value if isinstance(value, str) and value else None
