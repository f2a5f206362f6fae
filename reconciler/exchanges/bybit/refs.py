"""Symbols and order ids as Bybit writes them, and a check for those that it cannot know."""

import re
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.ref_checks import WRONG_LENGTH, has_wrong_length, invalid_symbol_reason

_SYMBOLS_REMEMBERED = 2**14
_TO_REQUEST = str.maketrans(ascii_lowercase, ascii_uppercase, "/-_")


@lru_cache(_SYMBOLS_REMEMBERED)
def request_symbol(symbol: str) -> str:
    """Return the symbol as Bybit writes it: "btc/usdt" and "BTC-USDT" are "BTCUSDT".

    Letters of other scripts stay as they are.
    """
    return symbol.translate(_TO_REQUEST)


_ORDER_ID = re.compile(r"[0-9A-Za-z-]+")


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot know this symbol and id, or None if it may."""
    return invalid_symbol_reason(ref.symbol) or _invalid_id_reason(ref.external_order_id)


def _invalid_id_reason(external_order_id: str) -> str | None:
    if has_wrong_length(external_order_id):
        return f"its id is {WRONG_LENGTH}"
    if _ORDER_ID.fullmatch(external_order_id):
        return None
    return (
        "the exchange's orderId has digits, letters and hyphens only: this looks like a client"
        " order id (orderLinkId); put the exchange's orderId there"
    )
