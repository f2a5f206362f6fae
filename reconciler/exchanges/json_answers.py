"""Rows of JSON answers, decoded so that an unreadable row fails alone. For every venue.

    body ── parse_json ──▶ plain values ── RowReader.read ──▶ a row, or an UnreadableOrder

`parse_json` is bounded, keeps every digit (a number with a point, or with too many digits, becomes
its text) and marks an object that has a key twice. It accepts a bare NaN, which then is the fault
of its row alone. A venue whose pages have few rows needs nothing else:

    class RawOrder(msgspec.Struct, frozen=True, gc=False, rename="camel"):
        symbol: str
        order_id: str
        order_status: str
        cum_exec_qty: str
        side: object = None          # only helps to tell orders apart: any type, may be missing

    ROWS = RowReader(RawOrder, symbol="symbol", order_id="orderId", as_id=text_id)

    def decode_page(body: bytes) -> Page:
        rows, cursor = rows_in(parse_json(body), "result", "list"), ...
        return Page(orders=ROWS.read_all(rows), next_cursor=cursor)

A venue with long pages (1,000 orders at Binance) decodes the body in one go first, and takes that
if `RowReader.has_each_field_once`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
"""Raised by decoders, also for numbers with too many digits and for values nested too deep."""

MAX_ID_DIGITS = 20
"""The most digits of a number that is kept as one: 64 bits have 20. A longer one becomes text."""

_MIN_BYTES_PER_VALUE = 8
_MIN_BYTES_PER_OBJECT = 40

Id = TypeVar("Id", int, str)
R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnreadableOrder(Generic[Id]):
    """An order that cannot be decoded, with its symbol and its id if they can."""

    reason: str
    symbol: str | None = None
    order_id: Id | None = None


def parse_json(body: bytes) -> Any:
    """Parse with the standard library.

    Raises:
        ValueError: the body is no JSON, or would take far more memory than orders do.
        RecursionError: it is nested too deep.
    """
    values, objects = body.count(b","), body.count(b"{") + body.count(b"[")
    if values > len(body) // _MIN_BYTES_PER_VALUE + 100:
        raise ValueError("these are no orders")
    if objects > len(body) // _MIN_BYTES_PER_OBJECT + 100:
        raise ValueError("these are no orders")
    return parse_exact(body)


def parse_exact(body: bytes | str) -> Any:
    """Parse with every digit, and without the fields of an object that it has twice. Not bounded.

    Raises:
        ValueError: the body is no JSON.
        RecursionError: it is nested too deep.
    """
    return json.loads(body, object_pairs_hook=_object, parse_int=_integer, parse_float=str)


class DuplicateKeys(dict[str, Any]):
    """An object without the keys that it had more than once."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    names = [name for name, _ in pairs]
    for name in {name for name in names if names.count(name) > 1}:
        del plain[name]
    return DuplicateKeys(plain)


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= MAX_ID_DIGITS else text


def value_at(parsed: Any, *path: str) -> Any:
    """Return what stands at `path` in nested objects, such as "result", "list".

    Raises:
        ValueError: it is missing, or one of the objects has a key twice.
    """
    for name in path:
        if not isinstance(parsed, dict) or name not in parsed:
            raise ValueError(f"it has no {name!r}")
        if isinstance(parsed, DuplicateKeys):
            raise ValueError("a field stands there twice")  # noqa: TRY004 - as every other fault
        parsed = parsed[name]
    return parsed


def rows_in(parsed: Any, *path: str) -> list[Any]:
    """Return the list at `path`.

    Raises:
        ValueError: there is none.
    """
    rows = value_at(parsed, *path)
    if not isinstance(rows, list):
        raise ValueError("it is no list of orders")  # noqa: TRY004 - as every other fault of it
    return rows


def listed_symbols(names: Iterable[str]) -> frozenset[str]:
    """Return the symbols that an exchange lists.

    Raises:
        ValueError: there is none, so that it is no list: each symbol of ours would seem delisted.
    """
    symbols = frozenset(names)
    if not symbols:
        raise ValueError("it lists no symbol")
    return symbols


def number_id(value: object) -> int | None:
    """Return an id that is a number, or the text of one; None if it is neither."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value) if len(value) <= MAX_ID_DIGITS else None
    return value if type(value) is int else None


def text_id(value: object) -> str | None:
    """Return an id that is text, or a number; None if it is neither."""
    if type(value) is int:
        return str(value)
    return value if isinstance(value, str) else None


class RowReader(Generic[R, Id]):
    """Reads the rows of one venue's orders."""

    def __init__(
        self,
        row: type[R],
        *,
        symbol: str,
        order_id: str,
        as_id: Callable[[object], Id | None],
        decides_nothing: Sequence[str] = (),
    ) -> None:
        """Read rows of the struct `row`, with the attributes `symbol` and `order_id`.

        Args:
            row: Its fields without a default are required.
            symbol: The field of a row as sent that has the order's symbol.
            order_id: The field that has its id.
            as_id: Reads the id of a row that is otherwise unreadable: `number_id` or `text_id`.
            decides_nothing: Attributes of `row` in which two entries of one order may differ, such
                as the time of the last change.

        Raises:
            TypeError: the symbol or the id may be of any type. Orders are told apart by them.
        """
        for field in msgspec.structs.fields(row):
            if field.name in {"symbol", "order_id"} and field.type in {object, Any}:
                raise TypeError(f"{row.__name__}.{field.name} must be text or a number, not any")
        self._row = row
        self._symbol = symbol
        self._order_id = order_id
        self._as_id: Callable[[object], Id | None] = as_id
        self._decides_nothing: dict[str, None] = dict.fromkeys(decides_nothing)
        names = row.__struct_encode_fields__
        self._required = len(names) - len(row.__struct_defaults__)
        self._optional = tuple(map(attrgetter, row.__struct_fields__[self._required :]))
        self._quoted = tuple(f'"{name}"'.encode() for name in names)
        letters = {letter for name in self._quoted for letter in name}
        self._not_in_names = bytes(set(range(256)) - letters)

    def read(self, parsed: Any) -> R | UnreadableOrder[Id]:
        """Read one row out of what `parse_json` returns. Never raises."""
        if not isinstance(parsed, dict):
            return UnreadableOrder(reason="it is no order")
        if isinstance(parsed, DuplicateKeys):
            return self._unreadable(parsed, "a field stands there twice")
        try:
            return msgspec.convert(parsed, self._row)
        except DECODE_ERRORS as error:
            return self._unreadable(parsed, str(error)[:200])

    def read_all(self, parsed: Sequence[Any]) -> Sequence[R | UnreadableOrder[Id]]:
        """Read the rows of a list. An order with contradictory entries is unreadable."""
        return self.without_contradictions([self.read(one) for one in parsed])

    def has_each_field_once(self, body: bytes, orders: Sequence[R]) -> bool:
        """Return True if certainly no order has a field of ours twice.

        A decoder of msgspec takes the last one. It is certain if no name is written with escapes,
        and each name occurs once for each order that has it, which is every order or none.
        """
        if b"\\" in body:
            return False
        # Half as long, and so searched in half the time. A name may appear where none was, never
        # less.
        letters = body.translate(None, self._not_in_names)
        counts = [letters.count(name) for name in self._quoted]
        required, optional = counts[: self._required], counts[self._required :]
        return all(count == len(orders) for count in required) and all(
            count == 0 or (count == len(orders) and None not in map(field, orders))
            for field, count in zip(self._optional, optional, strict=True)
        )

    def without_contradictions(
        self, orders: Sequence[R | UnreadableOrder[Id]]
    ) -> Sequence[R | UnreadableOrder[Id]]:
        """Replace entries that contradict an earlier one of the same order with an unreadable."""
        listed: Sequence[Any] = orders
        if len({(order.symbol, order.order_id) for order in listed}) == len(orders):
            return orders
        first: dict[tuple[str | None, Id | None], R | UnreadableOrder[Id]] = {}
        kept: list[R | UnreadableOrder[Id]] = []
        for order in listed:
            key = order.symbol, order.order_id
            known = first.setdefault(key, order)
            if known is order or None in key:
                kept.append(order)
            elif self._deciding(known) != self._deciding(order):
                reason = "it is listed twice, in two ways"
                kept.append(UnreadableOrder(reason=reason, symbol=key[0], order_id=key[1]))
        return kept

    def _unreadable(self, parsed: dict[str, Any], reason: str) -> UnreadableOrder[Id]:
        symbol = parsed.get(self._symbol)
        return UnreadableOrder(
            reason=reason,
            symbol=symbol if isinstance(symbol, str) else None,
            order_id=self._as_id(parsed.get(self._order_id)),
        )

    def _deciding(self, order: R | UnreadableOrder[Id]) -> R | UnreadableOrder[Id]:
        if isinstance(order, UnreadableOrder):
            return order
        return replace(order, **self._decides_nothing)
