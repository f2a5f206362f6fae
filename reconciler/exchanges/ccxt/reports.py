"""One order as ccxt has parsed it, translated to a `Report`.

ccxt infers quantities that an exchange does not state (`safe_order` of ccxt 4.5.90, read
2026-11-28): of an order that it calls `closed`, all of the amount counts as filled; the cost may be
computed from the limit price. Only what was stated is used here.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from reconciler.domain.order import parse_side
from reconciler.domain.report import Report, average_price
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.ccxt.client import RAW, RawFacts
from reconciler.exchanges.ccxt.statuses import status_of
from reconciler.exchanges.raw_values import (
    client_order_id,
    plain_word,
    require_executed_within,
    shown,
    time_of_ms,
)


def to_report(ref: OrderRef, order: Mapping[str, Any], fetched_at: datetime) -> Report:
    """Translate the order of `ref`.

    Raises:
        UnreadableRow: the order cannot be read, contradicts itself, or does not state what was
            executed.
    """
    raw: RawFacts = order[RAW]
    if raw.unreadable is not None:
        raise UnreadableRow(f"{shown(ref)}: {raw.unreadable}")
    theirs = _text(order.get("status"))
    if raw.word is None and theirs is None:
        raise UnreadableRow(f"{shown(ref)}: it has no status")
    executed = _executed(ref, raw)
    # Of any other order the amount may be in quote currency: ccxt does not tell.
    is_limit = (_text(order.get("type")) or "").lower() == "limit"
    amount = _positive(raw.stated.get("amount")) if is_limit else None
    if amount is not None:
        require_executed_within(ref, executed, amount, names=("filled", "amount"))
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=plain_word(raw.word or theirs or ""),
        status=status_of(raw.exchange_id, raw.word, theirs, executed, amount),
        executed_qty=executed,
        avg_price=_average(raw.stated, executed),
        fetched_at=fetched_at,
        quantity=amount,
        is_quote_sized=not is_limit,
        side=parse_side(_text(order.get("side"))),
        client_order_id=client_order_id(order.get("clientOrderId")),
        placed_at=time_of_ms(order.get("timestamp")),
    )


def _executed(ref: OrderRef, raw: RawFacts) -> Decimal:
    """Return what was executed: as stated, or the difference of amount and remaining.

    Raises:
        UnreadableRow: it is not stated, or below zero.
    """
    executed, amount, left = (raw.stated.get(name) for name in ("filled", "amount", "remaining"))
    if executed is None and amount is not None and left is not None:
        is_known = raw.exchange_id in _LEFT or left == amount
        executed = amount - left if is_known else None
    if executed is None:
        raise UnreadableRow(f"{shown(ref)}: the exchange does not say what was executed")
    if executed < 0:
        raise UnreadableRow(f"{shown(ref)}: executed {executed}, below zero")
    return executed


_LEFT = frozenset({"bitfinex", "gate", "gateeu"})
"""Where the rest of an order is what was not executed of it. Of a canceled one Bybit's is 0:
bybit-exchange.github.io, "Get Open & Closed Orders", `leavesQty`, read 2026-11-29."""


def _average(stated: Mapping[str, Decimal], executed: Decimal) -> Decimal | None:
    """Return the average price: as stated, else cost / executed. Below zero it is not known."""
    if not executed:
        return None
    average = _positive(stated.get("average"))
    return average_price(stated.get("cost"), executed) if average is None else average


def _positive(number: Decimal | None) -> Decimal | None:
    return number if number is not None and number > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
