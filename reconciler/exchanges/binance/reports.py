"""One order as Binance sends it, translated to a `Report`."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from reconciler.domain.order import SIDES
from reconciler.domain.report import Report, average_price
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import MAX_NAME_LENGTH, STATUSES
from reconciler.exchanges.binance.raw_orders import RawOrder


def to_report(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Report:
    """Translate the raw order of `ref`.

    Raises:
        UnreadableRow: the order contradicts itself, or a quantity is invalid.
    """
    word, status = _KNOWN_WORDS.get(raw.status) or (_plain_word(raw.status), None)
    executed_qty = _quantity(raw, "executedQty", raw.executed_qty)
    quote_quantity = _optional_quantity(raw, "origQuoteOrderQty", raw.orig_quote_order_qty)
    quote_amount = _quote_amount(raw)
    is_quote_sized = bool(quote_quantity)
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=word,
        status=status,
        executed_qty=executed_qty,
        avg_price=average_price(quote_amount, executed_qty) if executed_qty else None,
        fetched_at=fetched_at,
        quantity=None if is_quote_sized else _ordered_quantity(raw, executed_qty, quote_quantity),
        is_quote_sized=is_quote_sized,
        side=SIDES.get(raw.side.lower()) if isinstance(raw.side, str) else None,
        client_order_id=_client_order_id(raw.client_order_id),
        placed_at=_timestamp(raw.time),
        changed_at=_timestamp(raw.update_time),
    )


_MAX_WORD_LENGTH = 40
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), 127)}
_KNOWN_WORDS = {word: (word, status) for word, status in STATUSES.items()}
"""The words with their statuses; a report takes the word from here, so that it is kept once."""


def _plain_word(text: str) -> str:
    """Return an unknown word for a status, shortened and in plain ASCII.

    It is stored, logged and shown, so it must not disturb a database or a terminal.
    """
    return (
        text[:_MAX_WORD_LENGTH]
        .translate(_CONTROLS)
        .encode("ascii", "backslashreplace")
        .decode()[:_MAX_WORD_LENGTH]
    )


# Binance sends its DECIMALs as text (rest-api.md, "General API Information", read 2026-11-27).
# Python accepts more as a number: "1_000", Arabic digits, blanks and line ends, exponents.
_QUANTITY = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_SIGNED_QUANTITY = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_MAX_SHOWN = 40
_ZEROS = {text: Decimal(text) for text in ("0", *(f"0.{'0' * places}" for places in range(1, 19)))}
"""Zero as exchanges write it. Most quantities of an open order are zero: not read each time."""


def _quantity(raw: RawOrder, name: str, text: str, form: re.Pattern[str] = _QUANTITY) -> Decimal:
    zero = _ZEROS.get(text)
    if zero is not None:
        return zero
    if form.fullmatch(text) is None:
        raise UnreadableRow(
            f"order {raw.order_id} of {raw.symbol[:MAX_NAME_LENGTH]}: {name}"
            f" {text[:_MAX_SHOWN]!r} is no quantity"
        )
    return Decimal(text)


def _optional_quantity(raw: RawOrder, name: str, text: str | None) -> Decimal | None:
    return None if text is None else _quantity(raw, name, text)


def _quote_amount(raw: RawOrder) -> Decimal | None:
    """Return the amount paid. Below zero it is not known (rest-api.md, "Query order")."""
    text = raw.cummulative_quote_qty
    return None if text is None else _quantity(raw, "cummulativeQuoteQty", text, _SIGNED_QUANTITY)


def _ordered_quantity(
    raw: RawOrder, executed_qty: Decimal, quote_quantity: Decimal | None
) -> Decimal | None:
    """Return the ordered quantity, or None if it is zero and the order has no quote size."""
    if raw.orig_qty is None:
        return None
    if raw.orig_qty == raw.executed_qty:
        quantity = executed_qty  # One number instead of two: a batch keeps thousands.
    else:
        quantity = _quantity(raw, "origQty", raw.orig_qty)
    if not quantity and quote_quantity is None:
        return None
    if executed_qty and executed_qty > quantity:
        raise UnreadableRow(
            f"order {raw.order_id} of {raw.symbol[:MAX_NAME_LENGTH]}: executedQty"
            f" {raw.executed_qty} of origQty {raw.orig_qty}, more than was ordered"
        )
    return quantity


def _client_order_id(value: object) -> str | None:
    """Return a client order id, or None if it is invalid (36 letters, digits or signs)."""
    is_valid = isinstance(value, str) and len(value) <= MAX_NAME_LENGTH and value.isprintable()
    return str(value) if is_valid else None


_MAX_MS = 4_102_444_800_000  # The year 2100.


def _timestamp(milliseconds: object) -> datetime | None:
    """Return the time for `milliseconds` since 1970, or None if they are invalid."""
    if not isinstance(milliseconds, int) or not 0 < milliseconds < _MAX_MS:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)  # Exact: a float has digits enough.
