"""Answers as Kraken sends them, decoded so that an unreadable order fails alone.

    {"error": [], "result": {...}}               every answer
    "result": {TXID: order, ...}                 QueryOrders
    "result": {"open": {TXID: order, ...}}       OpenOrders
    "result": {"closed": {TXID: order, ...}}     ClosedOrders

An order's id is the name under which it stands. What stands under a name twice is no answer at all:
an order that is missing in QueryOrders does not exist.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from reconciler.exchanges.json_answers import (
    DECODE_ERRORS,
    DuplicateKeys,
    UnreadableOrder,
    listed_symbols,
    parse_json,
    value_at,
)
from reconciler.exchanges.kraken.constants import MAX_SYMBOLS, NEWER_ASSET_NAMES
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH


class RawDescription(msgspec.Struct, frozen=True, gc=False):
    """What was ordered. It only helps to tell the order from another, but for `ordertype`."""

    type: object = None
    ordertype: object = None


class RawOrder(msgspec.Struct, frozen=True, gc=False):
    """One order as sent. Quantities are text, so that an invalid one fails alone."""

    status: str
    vol_exec: str
    descr: RawDescription = RawDescription()
    vol: str | None = None
    cost: str | None = None
    price: str | None = None
    oflags: str | None = None
    cl_ord_id: object = None
    opentm: object = None
    closetm: object = None


RawOrders = Mapping[str, RawOrder | UnreadableOrder[str]]
"""Orders by txid."""


class _Envelope(msgspec.Struct, frozen=True):
    error: list[str]


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def decode_errors(body: bytes) -> Sequence[str]:
    """Decode the errors and the warnings of an answer.

    Raises:
        ValueError: it has no list of them, not even an empty one.
    """
    return _decode_envelope(body).error


def decode_queried(body: bytes) -> RawOrders:
    """Decode the answer of QueryOrders.

    Raises:
        ValueError: it is none.
    """
    return _orders(value_at(parse_json(body), "result"))


def decode_open(body: bytes) -> RawOrders:
    """Decode the answer of OpenOrders.

    Raises:
        ValueError: it is none.
    """
    return _orders(value_at(parse_json(body), "result", "open"))


def decode_closed(body: bytes) -> RawOrders:
    """Decode a page of ClosedOrders.

    Raises:
        ValueError: it is none.
    """
    return _orders(value_at(parse_json(body), "result", "closed"))


def _orders(parsed: Any) -> RawOrders:
    if not isinstance(parsed, dict):
        raise ValueError("these are no orders")  # noqa: TRY004 - as every other fault of it
    if isinstance(parsed, DuplicateKeys):
        raise ValueError("these are no orders")  # noqa: TRY004 - as every other fault of it
    return {txid: _order(txid, one) for txid, one in parsed.items()}


def _order(txid: str, parsed: Any) -> RawOrder | UnreadableOrder[str]:
    if not isinstance(parsed, dict):
        return UnreadableOrder(reason="it is no order", order_id=txid)
    if isinstance(parsed, DuplicateKeys):
        return UnreadableOrder(reason="a field stands there twice", order_id=txid)
    try:
        return msgspec.convert(parsed, RawOrder)
    except DECODE_ERRORS as error:
        return UnreadableOrder(reason=str(error)[:200], order_id=txid)


_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]


class _Pair(msgspec.Struct, frozen=True, gc=False):
    altname: _Name
    wsname: _Name | None = None


class _Pairs(msgspec.Struct, frozen=True):
    result: Annotated[dict[_Name, _Pair], msgspec.Meta(max_length=MAX_SYMBOLS)]


_decode_pairs = msgspec.json.Decoder(_Pairs).decode


def decode_symbols(body: bytes) -> frozenset[str]:
    """Decode the names of the pairs, every spelling of each: XXBTZUSD, XBTUSD, XBT/USD, BTC/USD.

    Raises:
        ValueError: it is no list of pairs, or an empty one.
    """
    names = set[str]()
    for name, pair in _decode_pairs(body).result.items():
        names |= {name, pair.altname}
        if pair.wsname is not None:
            base, slash, quote = pair.wsname.partition("/")
            newer = [NEWER_ASSET_NAMES.get(asset, asset) for asset in (base, quote)]
            names |= {pair.wsname, slash.join(newer), "".join(newer)}
    return listed_symbols(names)


class _Time(msgspec.Struct, frozen=True):
    unixtime: int


class _TimeAnswer(msgspec.Struct, frozen=True):
    result: _Time


_decode_time = msgspec.json.Decoder(_TimeAnswer).decode


def decode_time_ms(body: bytes) -> int:
    """Decode the exchange's clock, in ms since 1970. It is told in whole seconds."""
    return _decode_time(body).result.unixtime * 1000


class KeyInfo(msgspec.Struct, frozen=True):
    """What the exchange says of our key.

    Attributes:
        iban: The account's IIBAN.
        is_limited_in_time: True if the key sees nothing before or after some time.
    """

    permissions: list[str]
    iban: str | None
    is_limited_in_time: bool


class _KeyInfo(msgspec.Struct, frozen=True):
    permissions: list[str]
    iban: str | None = None
    query_from: str | int | None = None
    query_to: str | int | None = None
    queryFrom: str | int | None = None  # noqa: N815 - Kraken's name
    queryTo: str | int | None = None  # noqa: N815 - Kraken's name


_NO_TIMES = frozenset({None, "", "0", 0})


def decode_key_info(body: bytes) -> KeyInfo:
    """Decode what the exchange says of our key.

    The documentation's example has the names in camel case, its schema in snake case ("Get API Key
    Info", read 2026-11-28): both are read. Times are seconds since 1970, and 0 is none.
    """
    raw = msgspec.convert(value_at(parse_json(body), "result"), _KeyInfo)
    times = {raw.query_from, raw.query_to, raw.queryFrom, raw.queryTo}
    return KeyInfo(
        permissions=raw.permissions, iban=raw.iban, is_limited_in_time=not times <= _NO_TIMES
    )
