"""One order as the venue sends it, translated to a `Report`."""

from datetime import datetime
from decimal import Decimal

from reconciler.domain.order import SIDES
from reconciler.domain.report import Report
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.raw_values import (
    client_order_id,
    known_words,
    optional_quantity,
    quantity,
    require_executed_within,
    time_of_ms,
    word_and_status,
)
from tests.exchanges.contract.template.constants import STATUSES
from tests.exchanges.contract.template.raw_orders import RawOrder

_KNOWN_WORDS = known_words(STATUSES)


def to_report(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Report:
    """Translate the raw order of `ref`.

    Raises:
        UnreadableRow: the order contradicts itself, or a quantity is invalid.
    """
    word, status = word_and_status(_KNOWN_WORDS, raw.status)
    executed_qty = quantity(ref, "filled", raw.filled)
    average = optional_quantity(ref, "average", raw.average, blank_is_none=True)
    is_quote_sized = raw.size_unit == "quote"
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=word,
        status=status,
        executed_qty=executed_qty,
        avg_price=(average or None) if executed_qty else None,
        fetched_at=fetched_at,
        quantity=None if is_quote_sized else _ordered(ref, raw, executed_qty),
        is_quote_sized=is_quote_sized,
        side=SIDES.get(raw.side) if isinstance(raw.side, str) else None,
        client_order_id=client_order_id(raw.client_id),
        placed_at=time_of_ms(raw.placed_at),
    )


def _ordered(ref: OrderRef, raw: RawOrder, executed_qty: Decimal) -> Decimal | None:
    ordered = optional_quantity(ref, "size", raw.size)
    if ordered:
        require_executed_within(ref, executed_qty, ordered, names=("filled", "size"))
    return ordered or None
