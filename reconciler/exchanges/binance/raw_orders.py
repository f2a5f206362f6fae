"""Orders as the exchange sends them, decoded so that an unreadable order fails alone.

Usually a body is decoded in one go. If that fails, or if a field may stand twice, it is decoded
order by order with a slower parser, which also accepts invalid JSON (a bare NaN).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from reconciler.exchanges.binance.constants import ORDER_ID_DIGITS
from reconciler.exchanges.binance.decoding import DECODE_ERRORS


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
    side: object = None
    client_order_id: object = None
    time: object = None
    update_time: object = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnreadableOrder:
    """An order that cannot be decoded, with its symbol and its id if they can."""

    reason: str
    symbol: str | None = None
    order_id: int | None = None


RawOrders = Sequence[RawOrder | UnreadableOrder]

_FIELDS = RawOrder.__struct_encode_fields__
_REQUIRED = _FIELDS[: len(_FIELDS) - len(RawOrder.__struct_defaults__)]
_OPTIONAL = tuple(map(attrgetter, RawOrder.__struct_fields__[len(_REQUIRED) :]))
_QUOTED_NAMES = tuple(f'"{name}"'.encode() for name in _FIELDS)
_NOT_IN_NAMES = bytes(set(range(256)) - {letter for name in _QUOTED_NAMES for letter in name})
_ORDER = msgspec.json.Decoder(RawOrder)
_ORDERS = msgspec.json.Decoder(list[RawOrder])

_MIN_BYTES_PER_VALUE = 8
_MIN_BYTES_PER_OBJECT = 40


def decode_order(body: bytes) -> RawOrder | UnreadableOrder:
    """Decode the answer to a look-up. An order without symbol or id is unreadable.

    Raises:
        ValueError: the answer is no order.
    """
    try:
        order = _ORDER.decode(body)
    except DECODE_ERRORS:
        pass
    else:
        if _has_each_field_once(body, [order]):
            return order
    parsed = _parse(body)
    slow = _convert(parsed)
    if isinstance(slow, UnreadableOrder) and _is_nameless(slow) and not _resembles_order(parsed):
        raise ValueError(slow.reason)
    return slow


def _is_nameless(order: UnreadableOrder) -> bool:
    return order.symbol is None or order.order_id is None


def _resembles_order(parsed: Any) -> bool:
    """Return True if `parsed` has the fields that an order has but no error and no notice."""
    return isinstance(parsed, dict) and {"status", "executedQty"} <= parsed.keys()


def decode_orders(body: bytes) -> RawOrders:
    """Decode a list of orders. An order with contradictory entries is unreadable.

    Raises:
        ValueError: the body is no list.
    """
    return _without_contradictions(_decode_list(body))


def _decode_list(body: bytes) -> RawOrders:
    try:
        orders = _ORDERS.decode(body)
    except DECODE_ERRORS:
        pass
    else:
        if _has_each_field_once(body, orders):
            return orders
    parsed = _parse(body)
    if not isinstance(parsed, list):
        raise ValueError("it is no list of orders")  # noqa: TRY004 - as every other fault of it
    return [_convert(one) for one in parsed]


def _has_each_field_once(body: bytes, orders: Sequence[RawOrder]) -> bool:
    """Return True if certainly no order has a field of ours twice; the decoder takes the last one.

    It is certain if no name is written with escapes, and each name occurs once for each order that
    has it, which is every order or none.
    """
    if b"\\" in body:
        return False
    # Half as long, and so searched in half the time. A name may appear where none was, never less.
    letters = body.translate(None, _NOT_IN_NAMES)
    counts = [letters.count(name) for name in _QUOTED_NAMES]
    required, optional = counts[: len(_REQUIRED)], counts[len(_REQUIRED) :]
    return all(count == len(orders) for count in required) and all(
        count == 0 or (count == len(orders) and None not in map(field, orders))
        for field, count in zip(_OPTIONAL, optional, strict=True)
    )


class _DuplicateKeys(dict[str, Any]):
    """An object without the keys that it had more than once."""


def _parse(body: bytes) -> Any:
    """Parse with the standard library.

    Raises:
        ValueError: the body is no JSON, or would take far more memory than orders do.
    """
    values, objects = body.count(b","), body.count(b"{") + body.count(b"[")
    if values > len(body) // _MIN_BYTES_PER_VALUE + 100:
        raise ValueError("these are no orders")
    if objects > len(body) // _MIN_BYTES_PER_OBJECT + 100:
        raise ValueError("these are no orders")
    return json.loads(body, object_pairs_hook=_object, parse_int=_integer, parse_float=str)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    names = [name for name, _ in pairs]
    for name in {name for name in names if names.count(name) > 1}:
        del plain[name]
    return _DuplicateKeys(plain)


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= ORDER_ID_DIGITS else text


def _convert(parsed: Any) -> RawOrder | UnreadableOrder:
    if not isinstance(parsed, dict):
        return UnreadableOrder(reason="it is no order")
    if isinstance(parsed, _DuplicateKeys):
        return _unreadable(parsed, "a field stands there twice")
    try:
        return msgspec.convert(parsed, RawOrder)
    except DECODE_ERRORS as error:
        return _unreadable(parsed, str(error)[:200])


def _unreadable(parsed: dict[str, Any], reason: str) -> UnreadableOrder:
    symbol, number = parsed.get("symbol"), parsed.get("orderId")
    if isinstance(number, str) and number.isascii() and number.isdecimal():
        number = int(number) if len(number) <= ORDER_ID_DIGITS else None
    return UnreadableOrder(
        reason=reason,
        symbol=symbol if isinstance(symbol, str) else None,
        order_id=number if type(number) is int else None,
    )


def _without_contradictions(orders: RawOrders) -> RawOrders:
    """Replace entries that contradict an earlier one of the same order with an unreadable one."""
    if len({(order.symbol, order.order_id) for order in orders}) == len(orders):
        return orders
    first: dict[tuple[str | None, int | None], RawOrder | UnreadableOrder] = {}
    kept: list[RawOrder | UnreadableOrder] = []
    for order in orders:
        key = (order.symbol, order.order_id)
        known = first.setdefault(key, order)
        if known is order or None in key:
            kept.append(order)
        elif _without_time(known) != _without_time(order):
            reason = "it is listed twice, in two ways"
            kept.append(
                UnreadableOrder(reason=reason, symbol=order.symbol, order_id=order.order_id)
            )
    return kept


def _without_time(order: RawOrder | UnreadableOrder) -> RawOrder | UnreadableOrder:
    """Return the order without the time of its last change, which decides nothing."""
    return replace(order, update_time=None) if isinstance(order, RawOrder) else order
