"""Symbols and order ids as Bybit writes them, and a check for those that it cannot know."""

import re
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH

_SYMBOLS_REMEMBERED = 2**14
_TO_REQUEST = str.maketrans(ascii_lowercase, ascii_uppercase, "/-_")


@lru_cache(_SYMBOLS_REMEMBERED)
def request_symbol(symbol: str) -> str:
    """Return the symbol as Bybit writes it: "btc/usdt" and "BTC-USDT" are "BTCUSDT".

    Letters of other scripts stay as they are.
    """
    return symbol.translate(_TO_REQUEST)


_WRONG_LENGTH = "empty or too long for a name"
_ILLEGAL_IN_SYMBOL = re.compile(r"[\x00-\x7f](?<![A-Z0-9.])")
_ORDER_ID = re.compile(r"[0-9A-Za-z-]+")


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot know this symbol and id, or None if it may.

    We send no request with an invalid one: a wall in front of an exchange takes some words for an
    attack, and blocks the address that sends them.
    """
    return _invalid_symbol_reason(ref.symbol) or _invalid_id_reason(ref.external_order_id)


@lru_cache(_SYMBOLS_REMEMBERED)
def _invalid_symbol_reason(symbol: str) -> str | None:
    if not 0 < len(symbol) <= MAX_NAME_LENGTH:
        return _WRONG_LENGTH
    if not symbol.isprintable() or _ILLEGAL_IN_SYMBOL.search(symbol):
        return "its symbol has blanks or signs that no spot symbol has"
    return None


def _invalid_id_reason(external_order_id: str) -> str | None:
    if not 0 < len(external_order_id) <= MAX_NAME_LENGTH:
        return _WRONG_LENGTH
    if _ORDER_ID.fullmatch(external_order_id):
        return None
    return (
        "the exchange's orderId has digits, letters and hyphens only: this looks like a client"
        " order id (orderLinkId); put the exchange's orderId there"
    )
