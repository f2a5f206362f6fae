"""Why an exchange cannot know a symbol or an order id, as far as this is the same at several.

No request is sent with an invalid one: a firewall in front of an exchange takes some words for an
attack, and blocks the address that sends them.
"""

import re
from functools import lru_cache

from reconciler.exchanges.raw_values import MAX_NAME_LENGTH

WRONG_LENGTH = "empty or too long for a name"

_SYMBOLS_REMEMBERED = 2**14
_ILLEGAL_IN_SYMBOL = re.compile(r"[\x00-\x7f](?<![A-Za-z0-9._-])")


def has_wrong_length(name: str) -> bool:
    """Return True if nothing has this name."""
    return not 0 < len(name) <= MAX_NAME_LENGTH


@lru_cache(_SYMBOLS_REMEMBERED)
def invalid_symbol_reason(symbol: str) -> str | None:
    """Return why the exchange cannot have this symbol, or None if it may."""
    if has_wrong_length(symbol):
        return f"its symbol is {WRONG_LENGTH}"
    if not symbol.isprintable() or _ILLEGAL_IN_SYMBOL.search(symbol):
        return "its symbol has blanks or signs that no symbol has"
    return None


def invalid_number_reason(
    external_order_id: str, *, field_name: str, most_digits: int
) -> str | None:
    """Return why no order has this id where ids are numbers, in a field of the exchange's."""
    is_number = _is_number(external_order_id)
    if is_number and len(external_order_id) <= most_digits:
        return None
    if has_wrong_length(external_order_id):
        return f"its id is {WRONG_LENGTH}"
    digits = f"the exchange's {field_name} has 1 to {most_digits} digits 0 to 9 and nothing else"
    if is_number:
        return digits
    if external_order_id.strip().lstrip("+-").isdecimal():
        return f"{digits}: no sign, no blank, no digit of another script"
    return f"{digits}: this looks like a client order id; put the exchange's {field_name} there"


def without_leading_zeros(external_order_id: str) -> str:
    """Return a number as an exchange writes it: "012" becomes "12". Other ids stay as they are."""
    if not external_order_id.startswith("0") or not _is_number(external_order_id):
        return external_order_id
    return external_order_id.lstrip("0") or "0"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
