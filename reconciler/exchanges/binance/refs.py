"""Symbols and order ids as Binance writes them, and a check for those that it cannot know."""

import re
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import MAX_NAME_LENGTH, ORDER_ID_DIGITS

_TO_UPPERCASE = str.maketrans(ascii_lowercase, ascii_uppercase)


def request_ref(ref: OrderRef) -> OrderRef:
    """Return `ref` with symbol and id as Binance writes them."""
    return OrderRef(
        symbol=request_symbol(ref.symbol), external_order_id=request_id(ref.external_order_id)
    )


def request_symbol(symbol: str) -> str:
    """Return the symbol as Binance writes it: "btc/usdt" and "BTC-USDT" are "BTCUSDT".

    Letters of other scripts stay as they are: Binance refuses only a to z, and the capital of
    another letter may be another symbol, or two letters.
    """
    return symbol.replace("/", "").replace("-", "").translate(_TO_UPPERCASE)


def request_id(external_order_id: str) -> str:
    """Return the id as Binance writes it: "012" becomes "12", as in its answers."""
    is_number = external_order_id.isascii() and external_order_id.isdecimal()
    return (external_order_id.lstrip("0") or "0") if is_number else external_order_id


_ORDER_ID = re.compile(rf"[0-9]{{1,{ORDER_ID_DIGITS}}}")
_ILLEGAL_IN_SYMBOL = re.compile(r"[\x00-\x7f](?<![A-Za-z0-9._-])")


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot know this symbol and id, or None if it may.

    We send no request with an invalid one, since the exchange's firewall takes some words for an
    attack, and blocks the address that sends them.
    """
    if any(not 0 < len(name) <= MAX_NAME_LENGTH for name in (ref.symbol, ref.external_order_id)):
        return "empty or too long for a name"
    if not ref.symbol.isprintable() or _ILLEGAL_IN_SYMBOL.search(ref.symbol):
        return "its symbol has blanks or signs that no symbol has"
    return _invalid_id_reason(ref.external_order_id)


def _invalid_id_reason(external_order_id: str) -> str | None:
    if _ORDER_ID.fullmatch(external_order_id):
        return None
    digits = f"the exchange's orderId has 1 to {ORDER_ID_DIGITS} digits 0 to 9 and nothing else"
    if external_order_id.isascii() and external_order_id.isdecimal():
        return digits
    if external_order_id.strip().lstrip("+-").isdecimal():
        return f"{digits}: no sign, no blank, no digit of another script"
    return f"{digits}: this looks like a client order id; put the exchange's orderId there"
