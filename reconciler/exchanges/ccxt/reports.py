"""One order as ccxt has parsed it, translated to a `Report`.

ccxt infers quantities that an exchange does not state (`safe_order` of ccxt 4.5.90, read
2026-11-28): of an order that it calls `closed`, all of the amount counts as filled; the cost may be
computed from the limit price. Only what was stated is used here.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from reconciler.domain.order import parse_side
from reconciler.domain.report import Report, average_price
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.ccxt.client import RAW, RawFacts
from reconciler.exchanges.ccxt.statuses import status_of

_QUANTITY = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")
_MAX_SHOWN = 40
_MAX_NAME_LENGTH = 100
_MAX_MS = 4_102_444_800_000  # The year 2100.


def to_report(ref: OrderRef, order: Mapping[str, Any], fetched_at: datetime) -> Report:
    """Translate the order of `ref`.

    Raises:
        UnreadableRow: the order cannot be read, contradicts itself, or does not state what was
            executed.
    """
    raw: RawFacts = order[RAW]
    if raw.unreadable is not None:
        raise UnreadableRow(f"order {ref.external_order_id}: {raw.unreadable}")
    stated = {name: _number(ref, name, value) for name, value in raw.stated.items()}
    amount = _positive(stated.get("amount"))
    executed = _executed(ref, stated)
    # Of any other order the amount may be in quote currency: ccxt does not tell.
    is_limit = (_short(order.get("type")) or "").lower() == "limit"
    amount = amount if is_limit else None
    if amount is not None and executed > amount:
        raise UnreadableRow(
            f"order {ref.external_order_id}: {executed} executed of {amount}, more than was ordered"
        )
    word = raw.word or _short(order.get("status")) or "none"
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=_short(word) or "none",
        status=status_of(raw.word, _short(order.get("status")), executed, amount),
        executed_qty=executed,
        avg_price=_average(stated, executed),
        fetched_at=fetched_at,
        quantity=amount,
        is_quote_sized=not is_limit,
        side=parse_side(_short(order.get("side"))),
        client_order_id=_short(order.get("clientOrderId")),
        placed_at=_time(order.get("timestamp")),
    )


def _executed(ref: OrderRef, stated: Mapping[str, Decimal | None]) -> Decimal:
    """Return what was executed: as stated, or the difference of amount and remaining.

    Raises:
        UnreadableRow: it is not stated, or below zero.
    """
    executed, amount, remaining = (stated.get(name) for name in ("filled", "amount", "remaining"))
    if executed is None and amount is not None and remaining is not None:
        executed = amount - remaining
    if executed is None:
        raise UnreadableRow(
            f"order {ref.external_order_id}: the exchange does not say what was executed"
        )
    if executed < 0:
        raise UnreadableRow(f"order {ref.external_order_id}: executed {executed}, below zero")
    return executed


def _average(stated: Mapping[str, Decimal | None], executed: Decimal) -> Decimal | None:
    """Return the average price: as stated, else cost / executed. Below zero it is not known."""
    if not executed:
        return None
    average = _positive(stated.get("average"))
    return average_price(stated.get("cost"), executed) if average is None else average


def _positive(number: Decimal | None) -> Decimal | None:
    return number if number is not None and number > 0 else None


def _number(ref: OrderRef, name: str, value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if _QUANTITY.fullmatch(text) is None:
        raise UnreadableRow(
            f"order {ref.external_order_id}: {name} {str(value)[:_MAX_SHOWN]!r} is no quantity"
        )
    return Decimal(text)


def _short(value: object) -> str | None:
    """Return a text that may be shown and stored; None if it is none."""
    if not isinstance(value, str) or not value or not value.isprintable():
        return None
    return value[:_MAX_NAME_LENGTH]


def _time(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int) or not 0 < milliseconds < _MAX_MS:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
