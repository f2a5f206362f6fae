"""Symbols and order ids as Binance writes them, and a check for those that it cannot know."""

import re
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import ORDER_ID_DIGITS
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH

_SYMBOLS_REMEMBERED = 2**14
_TO_UPPERCASE = str.maketrans(ascii_lowercase, ascii_uppercase)


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
