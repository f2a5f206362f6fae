"""Orders as the exchange lists them: bytes to rows, each of which fails alone.

The usual answer is decoded in one go. One that cannot be, or in which a field may stand twice, is
read row by row with a slower parser, which also takes what is no JSON (a bare NaN).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.exchanges.binance.constants import ORDER_ID_DIGITS
from reconciler.exchanges.binance.decoding import UNREADABLE


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One order as listed. Quantities are text, so that one that is no number fails alone.

    What only tells the order from another may be missing, or of any type: then it tells nothing.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A row that cannot be read, with its name as far as that can be."""

    why: str
    symbol: str | None = None
    order_id: int | None = None


Rows = Sequence[Row | Unreadable]

_FIELDS = Row.__struct_encode_fields__
_REQUIRED = _FIELDS[: len(_FIELDS) - len(Row.__struct_defaults__)]
_IN_QUOTES = tuple(f'"{name}"'.encode() for name in _FIELDS)
_ROW = msgspec.json.Decoder(Row)
_ROWS = msgspec.json.Decoder(list[Row])

_LETTERS_PER_VALUE = 8
_LETTERS_PER_OBJECT = 40


def read_row(body: bytes) -> Row | Unreadable:
    """Read the answer to a look-up; an order that bears no name is unreadable.

    Raises:
        ValueError: it is no order.
    """
    try:
        row = _ROW.decode(body)
    except UNREADABLE:
        pass
    else:
        if _has_each_field_once(body, 1):
            return row
    listed = _parsed(body)
    slow = _row_of(listed)
    if isinstance(slow, Unreadable) and _is_nameless(slow) and not _is_like_an_order(listed):
        raise ValueError(slow.why)
    return slow


def _is_nameless(row: Unreadable) -> bool:
    return row.symbol is None or row.order_id is None


def _is_like_an_order(listed: Any) -> bool:
    """Whether it has what only an order has: an error or a notice has neither."""
    return isinstance(listed, dict) and {"status", "executedQty"} <= listed.keys()


def read_rows(body: bytes) -> Rows:
    """Read a list of orders; an order that is listed twice in two ways is unreadable.

    Raises:
        ValueError: it is no list.
    """
    return _without_contradictions(_rows_in(body))


def _rows_in(body: bytes) -> Rows:
    try:
        rows = _ROWS.decode(body)
    except UNREADABLE:
        pass
    else:
        if _has_each_field_once(body, len(rows)):
            return rows
    listed = _parsed(body)
    if not isinstance(listed, list):
        raise ValueError("it is no list of orders")  # noqa: TRY004 - as every other fault of it
    return [_row_of(one) for one in listed]


def _has_each_field_once(body: bytes, rows: int) -> bool:
    """Whether no row names one of our fields twice, of which a decoder takes the last in silence.

    True only if that is certain: no name is written with escapes, each required field stands there
    once for each row, which has it, and each other one in every row or in none.
    """
    if b"\\" in body:
        return False
    counts = [body.count(name) for name in _IN_QUOTES]
    required = counts[: len(_REQUIRED)]
    return all(count == rows for count in required) and all(count in {0, rows} for count in counts)


class _Doubled(dict[str, Any]):
    """An object in which a name stands twice."""


def _parsed(body: bytes) -> Any:
    """Parse with the standard library.

    Raises:
        ValueError: it is no JSON, or would take far more memory than orders do.
    """
    values, objects = body.count(b","), body.count(b"{") + body.count(b"[")
    if values > len(body) // _LETTERS_PER_VALUE + 100:
        raise ValueError("these are no orders")
    if objects > len(body) // _LETTERS_PER_OBJECT + 100:
        raise ValueError("these are no orders")
    return json.loads(body, object_pairs_hook=_object, parse_int=_integer, parse_float=str)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    names = [name for name, _ in pairs]
    for name in {name for name in names if names.count(name) > 1}:
        del plain[name]
    return _Doubled(plain)


def _integer(told: str) -> int | str:
    return int(told) if len(told) <= ORDER_ID_DIGITS else told


def _row_of(listed: Any) -> Row | Unreadable:
    if not isinstance(listed, dict):
        return Unreadable(why="it is no order")
    if isinstance(listed, _Doubled):
        return _unreadable(listed, "a field stands there twice")
    try:
        return msgspec.convert(listed, Row)
    except UNREADABLE as error:
        return _unreadable(listed, str(error)[:200])


def _unreadable(listed: dict[str, Any], why: str) -> Unreadable:
    symbol, number = listed.get("symbol"), listed.get("orderId")
    if isinstance(number, str) and number.isascii() and number.isdecimal():
        number = int(number) if len(number) <= ORDER_ID_DIGITS else None
    return Unreadable(
        why=why,
        symbol=symbol if isinstance(symbol, str) else None,
        order_id=number if type(number) is int else None,
    )


def _without_contradictions(rows: Rows) -> Rows:
    """Put one unreadable row in the place of rows that say different things of one order."""
    if len({(row.symbol, row.order_id) for row in rows}) == len(rows):
        return rows
    first: dict[tuple[str | None, int | None], Row | Unreadable] = {}
    kept: list[Row | Unreadable] = []
    for row in rows:
        name = (row.symbol, row.order_id)
        known = first.setdefault(name, row)
        if known is row or None in name:
            kept.append(row)
        elif known != row:
            why = "it is listed twice, in two ways"
            kept.append(Unreadable(why=why, symbol=row.symbol, order_id=row.order_id))
    return kept
