"""Ids of orders as Bybit spells them: 19 digits for spot, more than a float can hold."""

import re

_FIRST = 10**18
_SPELLED = re.compile(r"[1-9][0-9]{18}")


def order_id_of(number: int) -> str:
    """Spell the id of order `number`."""
    return str(_FIRST + number)


def number_of(order_id: str) -> int | None:
    """Return the number of an id; None if it is no such id."""
    if _SPELLED.fullmatch(order_id) is None:
        return None
    return int(order_id) - _FIRST
