"""Symbols and order ids as OKX writes them, and a check for those that it cannot know."""

import re
from collections.abc import Iterable
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.okx.constants import ORDER_ID_DIGITS
from reconciler.exchanges.ref_checks import invalid_number_reason, invalid_symbol_reason

_TO_UPPERCASE = str.maketrans(ascii_lowercase, ascii_uppercase)
_SEPARATORS = re.compile("[-/_:]")
_PAIR = re.compile(r"[^-/_:]+[-/_][^-/_:]+")


class Symbols:
    """The spelling of symbols, which the listed ones decide where it is not plain.

    "btc/usdt", "BTC_USDT" and "BTC-USDT" are plainly "BTC-USDT". "BTCUSDT" has no plain split, so
    it is that of the one listed symbol with these letters, if the list is known, and stays as it is
    if there is none or more than one.
    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        """Take over the symbols that the exchange lists; none if they are not known."""
        by_letters: dict[str, str | None] = {}
        ambiguous: set[str] = set()
        for symbol in listed:
            letters = _letters(symbol)
            if by_letters.setdefault(letters, symbol) != symbol:
                ambiguous.add(letters)
        self._by_letters = by_letters | dict.fromkeys(ambiguous)

    def request_symbol(self, symbol: str) -> str:
        """Return the symbol as OKX writes it, or as it is if that is not certain."""
        upper = symbol.translate(_TO_UPPERCASE)
        if _PAIR.fullmatch(upper):
            return _SEPARATORS.sub("-", upper)
        if _SEPARATORS.search(upper):
            return upper
        return self._by_letters.get(upper) or upper

    def lacks(self, symbol: str) -> bool:
        """Return True if only a list can tell how OKX writes `symbol`, and this one does not."""
        upper = symbol.translate(_TO_UPPERCASE)
        return _SEPARATORS.search(upper) is None and upper not in self._by_letters


def _letters(symbol: str) -> str:
    return _SEPARATORS.sub("", symbol.translate(_TO_UPPERCASE))


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot know this symbol and id, or None if it may."""
    return invalid_symbol_reason(ref.symbol) or invalid_number_reason(
        ref.external_order_id, field_name="ordId", most_digits=ORDER_ID_DIGITS
    )
