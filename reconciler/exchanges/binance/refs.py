"""Symbols and order ids as Binance writes them, and a check for those that it cannot know."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import MAX_NAME_LENGTH, ORDER_ID_DIGITS

_SYMBOLS_REMEMBERED = 2**14
_TO_UPPERCASE = str.maketrans(ascii_lowercase, ascii_uppercase)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRefs:
    """Orders as Binance writes them, and as the caller does.

    Attributes:
        requested: Every order as Binance writes it, once.
        spellings: The caller's spellings, by order, if they are not Binance's alone.
    """

    requested: Collection[OrderRef]
    spellings: Mapping[OrderRef, Sequence[OrderRef]]


def request_refs(refs: Iterable[OrderRef]) -> RequestRefs:
    """Return the orders `refs` as Binance writes them."""
    requested: dict[OrderRef, None] = {}
    spellings: dict[OrderRef, list[OrderRef]] = {}
    for ref in refs:
        as_requested = request_ref(ref)
        if as_requested is ref:
            requested[ref] = None
        else:
            spellings.setdefault(as_requested, []).append(ref)
    for as_requested, as_called in spellings.items():
        if as_requested in requested:
            as_called.append(as_requested)
        requested[as_requested] = None
    return RequestRefs(requested=requested.keys(), spellings=spellings)


def request_ref(ref: OrderRef) -> OrderRef:
    """Return `ref` with symbol and id as Binance writes them: itself if they are."""
    symbol, external_order_id = request_symbol(ref.symbol), request_id(ref.external_order_id)
    if symbol == ref.symbol and external_order_id == ref.external_order_id:
        return ref
    return OrderRef(symbol=symbol, external_order_id=external_order_id)


@lru_cache(_SYMBOLS_REMEMBERED)
def request_symbol(symbol: str) -> str:
    """Return the symbol as Binance writes it: "btc/usdt" and "BTC-USDT" are "BTCUSDT".

    Letters of other scripts stay as they are: Binance refuses only a to z, and the capital of
    another letter may be another symbol, or two letters.
    """
    return symbol.replace("/", "").replace("-", "").translate(_TO_UPPERCASE)


def request_id(external_order_id: str) -> str:
    """Return the id as Binance writes it: "012" becomes "12", as in its answers."""
    if not external_order_id.startswith("0"):
        return external_order_id
    is_number = external_order_id.isascii() and external_order_id.isdecimal()
    return (external_order_id.lstrip("0") or "0") if is_number else external_order_id


_WRONG_LENGTH = "empty or too long for a name"
_ILLEGAL_IN_SYMBOL = re.compile(r"[\x00-\x7f](?<![A-Za-z0-9._-])")


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot know this symbol and id, or None if it may.

    We send no request with an invalid one, since the exchange's firewall takes some words for an
    attack, and blocks the address that sends them.
    """
    return _invalid_symbol_reason(ref.symbol) or _invalid_id_reason(ref.external_order_id)


@lru_cache(_SYMBOLS_REMEMBERED)
def _invalid_symbol_reason(symbol: str) -> str | None:
    if not 0 < len(symbol) <= MAX_NAME_LENGTH:
        return _WRONG_LENGTH
    if not symbol.isprintable() or _ILLEGAL_IN_SYMBOL.search(symbol):
        return "its symbol has blanks or signs that no symbol has"
    return None


def _invalid_id_reason(external_order_id: str) -> str | None:
    is_number = external_order_id.isascii() and external_order_id.isdecimal()
    if is_number and len(external_order_id) <= ORDER_ID_DIGITS:
        return None
    if not 0 < len(external_order_id) <= MAX_NAME_LENGTH:
        return _WRONG_LENGTH
    digits = f"the exchange's orderId has 1 to {ORDER_ID_DIGITS} digits 0 to 9 and nothing else"
    if is_number:
        return digits
    if external_order_id.strip().lstrip("+-").isdecimal():
        return f"{digits}: no sign, no blank, no digit of another script"
    return f"{digits}: this looks like a client order id; put the exchange's orderId there"
