"""Symbols and order ids as OKX writes them, and a check for those that it cannot know."""

import re
from collections.abc import Iterable
from string import ascii_lowercase, ascii_uppercase

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.okx.constants import ORDER_ID_DIGITS
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH

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


def request_id(external_order_id: str) -> str:
    """Return the id as OKX writes it: "012" becomes "12", as in its answers."""
    if not external_order_id.startswith("0"):
        return external_order_id
    is_number = external_order_id.isascii() and external_order_id.isdecimal()
    return (external_order_id.lstrip("0") or "0") if is_number else external_order_id


_WRONG_LENGTH = "empty or too long for a name"
_ILLEGAL_IN_SYMBOL = re.compile(r"[\x00-\x7f](?<![A-Za-z0-9._-])")


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot know this symbol and id, or None if it may.

    No request is sent with an invalid one.
    """
    return _invalid_symbol_reason(ref.symbol) or _invalid_id_reason(ref.external_order_id)


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
    digits = f"the exchange's ordId has 1 to {ORDER_ID_DIGITS} digits 0 to 9 and nothing else"
    if is_number or external_order_id.strip().lstrip("+-").isdecimal():
        return f"{digits}: no sign, no blank, no digit of another script"
    return f"{digits}: this looks like a client order id; put the exchange's ordId there"
