"""One order as Coinbase sends it, translated to a `Report`."""

from datetime import datetime
from decimal import Decimal

from reconciler.domain.order import SIDES
from reconciler.domain.report import Report
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.coinbase.constants import STATUSES
from reconciler.exchanges.coinbase.raw_orders import RawOrder, sizes_of
from reconciler.exchanges.raw_values import (
    client_order_id,
    known_words,
    optional_quantity,
    quantity,
    require_executed_within,
    time_of_iso,
    word_and_status,
)

_KNOWN_WORDS = known_words({word: one for word, one in STATUSES.items() if one is not None})


def to_report(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Report:
    """Translate the raw order of `ref`.

    Raises:
        UnreadableRow: the order contradicts itself, or a quantity is invalid.
    """
    word, status = word_and_status(_KNOWN_WORDS, raw.status)
    executed_qty = quantity(ref, "filled_size", raw.filled_size)
    is_quote_sized, ordered = _ordered(ref, raw, executed_qty)
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=word,
        status=status,
        executed_qty=executed_qty,
        avg_price=_average(ref, raw) if executed_qty else None,
        fetched_at=fetched_at,
        quantity=ordered,
        is_quote_sized=is_quote_sized,
        side=SIDES.get(raw.side.lower()) if isinstance(raw.side, str) else None,
        client_order_id=client_order_id(raw.client_order_id),
        placed_at=time_of_iso(raw.created_time),
        changed_at=time_of_iso(raw.last_fill_time),
    )


def _average(ref: OrderRef, raw: RawOrder) -> Decimal | None:
    """Return `average_filled_price`, where "0" and "" mean that there is none."""
    average = optional_quantity(
        ref, "average_filled_price", raw.average_filled_price, blank_is_none=True
    )
    return average or None


def _ordered(ref: OrderRef, raw: RawOrder, executed_qty: Decimal) -> tuple[bool, Decimal | None]:
    """Return whether the order was placed for an amount of quote currency, and its quantity.

    The quantity is known only for an order of base currency that was never edited: no page says
    whether the configuration follows an edit.
    """
    base_size, quote_size = sizes_of(raw.order_configuration)
    is_quote_sized = quote_size is not None or raw.size_in_quote is True
    if is_quote_sized or base_size is None or raw.edit_history:
        return is_quote_sized, None
    ordered = quantity(ref, "base_size", base_size)
    require_executed_within(ref, executed_qty, ordered, names=("filled_size", "base_size"))
    return False, ordered or None
