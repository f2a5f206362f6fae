"""Symbols and order ids as Binance writes them, and a check for those that it cannot know."""

from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import ORDER_ID_DIGITS
from reconciler.exchanges.ref_checks import invalid_number_reason, invalid_symbol_reason

_SYMBOLS_REMEMBERED = 2**14
_TO_UPPERCASE = str.maketrans(ascii_lowercase, ascii_uppercase)


@lru_cache(_SYMBOLS_REMEMBERED)
def request_symbol(symbol: str) -> str:
    """Return the symbol as Binance writes it: "btc/usdt" and "BTC-USDT" are "BTCUSDT".

    Letters of other scripts stay as they are: Binance refuses only a to z, and the capital of
    another letter may be another symbol, or two letters.
    """
    return symbol.replace("/", "").replace("-", "").translate(_TO_UPPERCASE)


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot know this symbol and id, or None if it may."""
    return invalid_symbol_reason(ref.symbol) or invalid_number_reason(
        ref.external_order_id, field_name="orderId", most_digits=ORDER_ID_DIGITS
    )
