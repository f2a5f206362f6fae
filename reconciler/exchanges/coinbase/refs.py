"""Symbols and order ids as Coinbase writes them, and a check for those that it cannot know."""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.coinbase.constants import ORDER_ID
from reconciler.exchanges.ref_checks import invalid_symbol_reason

_SYMBOLS_REMEMBERED = 2**14
_TO_UPPERCASE = str.maketrans(ascii_lowercase, ascii_uppercase)
_SEPARATED = re.compile(r"([^/_-]+)[/_-]([^/_-]+)")
_ONE_BOOK = ("USD", "USDC")


@lru_cache(_SYMBOLS_REMEMBERED)
def request_symbol(symbol: str) -> str:
    """Return the symbol as Coinbase writes it: "btc/usd" and "BTC_USD" are "BTC-USD".

    "BTCUSD" stays as it is: where its base ends, only a list of all symbols could tell.
    """
    upper = symbol.translate(_TO_UPPERCASE)
    parts = _SEPARATED.fullmatch(upper)
    return upper if parts is None else f"{parts[1]}-{parts[2]}"


def request_id(external_order_id: str) -> str:
    """Return the id as Coinbase writes it: a UUID in small letters, as in its answers."""
    small = external_order_id.lower()
    return small if ORDER_ID.fullmatch(small) else external_order_id


def is_same_symbol(symbol: str, product_id: str) -> bool:
    """Return True if a row's symbol means the product. "BTCUSD" means "BTC-USD" and its alias."""
    asked = request_symbol(symbol)
    names = _aliases(product_id)
    return symbol == product_id or asked in names or asked in map(_joined, names)


def products_by_letters(product_ids: Iterable[str]) -> Mapping[str, str]:
    """Return each product by its letters without "-", unless two products have the same."""
    found: dict[str, list[str]] = {}
    for product_id in product_ids:
        found.setdefault(_joined(product_id), []).append(product_id)
    return {letters: named[0] for letters, named in found.items() if len(named) == 1}


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot know this symbol and id, or None if it may.

    The id is a part of a path: another text there would be another path.
    """
    if reason := invalid_symbol_reason(ref.symbol):
        return reason
    if ORDER_ID.fullmatch(ref.external_order_id):
        return None
    return (
        "the exchange's order_id is a UUID, 32 hex digits in five groups: this may be a client"
        " order id; put the exchange's order_id there"
    )


def _aliases(product_id: str) -> Collection[str]:
    """Return the names of a product: those for USD and for USDC are of one book.

    Source: "Get Product", `alias` (of BTC-USDC: "BTC-USD") and `alias_to`, read 2026-11-29; streams
    of orders name the book, "List Orders" the product (github.com/ccxt/ccxt/issues/26465).
    """
    base, _, quote = product_id.rpartition("-")
    return [f"{base}-{one}" for one in _ONE_BOOK] if quote in _ONE_BOOK else [product_id]


def _joined(product_id: str) -> str:
    return product_id.translate(_TO_UPPERCASE).replace("-", "")
