"""Single values as exchanges send them: read strictly, and made safe to store, log and show.

A value that decides something (a quantity, an average price) is read or makes its order an
`UnreadableRow`. One that only helps to tell an order from another (a time, a client id) is read or
is None.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from reconciler.domain.status import Status
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef

MAX_NAME_LENGTH = 100
"""A longer order id or symbol fits no request, and is cut in messages."""

# Python accepts more as a number: "1_000", Arabic digits, blanks and line ends, exponents.
QUANTITY = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
SIGNED_QUANTITY = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")

_MAX_SHOWN = 40
_ZEROS = {text: Decimal(text) for text in ("0", *(f"0.{'0' * places}" for places in range(1, 19)))}
"""Zero as exchanges write it. Most quantities of an open order are zero: not read each time."""


def quantity(ref: OrderRef, name: str, text: str, form: re.Pattern[str] = QUANTITY) -> Decimal:
    """Read the quantity of the order `ref` in the field `name`, written in digits and a point.

    Raises:
        UnreadableRow: it is written in any other way.
    """
    zero = _ZEROS.get(text)
    if zero is not None:
        return zero
    if form.fullmatch(text) is None:
        raise UnreadableRow(f"{shown(ref)}: {name} {text[:_MAX_SHOWN]!r} is no quantity")
    return Decimal(text)


def optional_quantity(
    ref: OrderRef, name: str, text: str | None, *, blank_is_none: bool = False
) -> Decimal | None:
    """Read a quantity that may be missing; with `blank_is_none` the exchange sends "" for none.

    Raises:
        UnreadableRow: it is there, and is no quantity.
    """
    if text is None or (blank_is_none and not text):
        return None
    zero = _ZEROS.get(text)
    return quantity(ref, name, text) if zero is None else zero


def require_executed_within(
    ref: OrderRef, executed_qty: Decimal, ordered_qty: Decimal, *, names: tuple[str, str]
) -> None:
    """Refuse an order with more executed than ordered. `names` are the fields of the two.

    Raises:
        UnreadableRow: more was executed.
    """
    if executed_qty and executed_qty > ordered_qty:
        raise UnreadableRow(
            f"{shown(ref)}: {names[0]} {executed_qty} of {names[1]} {ordered_qty}, more than was"
            " ordered"
        )


def shown(ref: OrderRef) -> str:
    """Return an order's name for a message: its id alone where that is all that was asked for."""
    of_symbol = f" of {ref.symbol[:MAX_NAME_LENGTH]}" if ref.symbol else ""
    return f"order {ref.external_order_id[:MAX_NAME_LENGTH]}{of_symbol}"


KnownWords = Mapping[str, tuple[str, Status]]


def known_words(statuses: Mapping[str, Status]) -> KnownWords:
    """Return each word with its status: a report takes the word from here, so it is kept once."""
    return {word: (word, status) for word, status in statuses.items()}


def word_and_status(known: KnownWords, text: str) -> tuple[str, Status | None]:
    """Return the exchange's word, safe to store, and our status for it, None if it is unknown."""
    return known.get(text) or (plain_word(text), None)


_MAX_WORD_LENGTH = 40
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), 127)}


def plain_word(text: str) -> str:
    """Return an unknown word for a status, shortened and in plain ASCII.

    It is stored, logged and shown, so it must not disturb a database or a terminal.
    """
    return (
        text[:_MAX_WORD_LENGTH]
        .translate(_CONTROLS)
        .encode("ascii", "backslashreplace")
        .decode()[:_MAX_WORD_LENGTH]
    )


def client_order_id(value: object) -> str | None:
    """Return a client order id, or None if it is missing, blank or not printable."""
    is_valid = isinstance(value, str) and 0 < len(value) <= MAX_NAME_LENGTH and value.isprintable()
    return str(value) if is_valid else None


def whole_number(text: str, *, maximum: int) -> int | None:
    """Return the number, or None if `text` is not all digits or exceeds `maximum`."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(maximum))
    number = int(text) if is_number else None
    return None if number is None or number > maximum else number


_MAX_MS = 4_102_444_800_000  # The year 2100.
_SECONDS = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,9}))?")
_ISO_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-]00:00)"
)


def time_of_ms(value: object) -> datetime | None:
    """Return the time for milliseconds since 1970, a number or its text; None if invalid."""
    ms = whole_number(value, maximum=_MAX_MS) if isinstance(value, str) else value
    # Not `isinstance`: true is a number to it.
    if type(ms) is not int or not 0 < ms < _MAX_MS:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC)  # Exact: a float has digits enough.


def time_of_seconds(value: object) -> datetime | None:
    """Return the time for seconds since 1970, as text with at most 9 decimals; None if invalid.

    `parse_json` gives a bare number as its text, so that no digit is lost.
    """
    match = _SECONDS.fullmatch(str(value)) if isinstance(value, str | int) else None
    if match is None:
        return None
    return time_of_ms(int(match[1]) * 1000 + int((match[2] or "0").ljust(3, "0")[:3]))


def time_of_iso(value: object) -> datetime | None:
    """Return the time for "2026-11-28T12:00:00.123456Z", which must be UTC; None if invalid."""
    match = _ISO_TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        return datetime.fromisoformat(f"{match[1]}.{(match[2] or '0')[:6]:0<6}+00:00")
    except ValueError:
        return None
