"""One order as Binance sends it, translated to a `Report`."""

from datetime import datetime
from decimal import Decimal

from reconciler.domain.order import SIDES
from reconciler.domain.report import Report, average_price
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.binance.constants import STATUSES
from reconciler.exchanges.binance.raw_orders import RawOrder
from reconciler.exchanges.raw_values import (
    SIGNED_QUANTITY,
    client_order_id,
    known_words,
    optional_quantity,
    plain_word,
    quantity,
    require_executed_within,
    time_of_ms,
)

_KNOWN_WORDS = known_words(STATUSES)

# Binance sends its DECIMALs as text (rest-api.md, "General API Information", read 2026-11-27).


def to_report(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Report:
    """Translate the raw order of `ref`.

    Raises:
        UnreadableRow: the order contradicts itself, or a quantity is invalid.
    """
    word, status = _KNOWN_WORDS.get(raw.status) or (plain_word(raw.status), None)
    executed_qty = quantity(ref, "executedQty", raw.executed_qty)
    quote_quantity = optional_quantity(ref, "origQuoteOrderQty", raw.orig_quote_order_qty)
    quote_amount = _quote_amount(ref, raw)
    is_quote_sized = bool(quote_quantity)
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=word,
        status=status,
        executed_qty=executed_qty,
        avg_price=average_price(quote_amount, executed_qty) if executed_qty else None,
        fetched_at=fetched_at,
        quantity=(
            None if is_quote_sized else _ordered_quantity(ref, raw, executed_qty, quote_quantity)
        ),
        is_quote_sized=is_quote_sized,
        side=SIDES.get(raw.side.lower()) if isinstance(raw.side, str) else None,
        client_order_id=client_order_id(raw.client_order_id),
        placed_at=time_of_ms(raw.time),
        changed_at=time_of_ms(raw.update_time),
    )


def _quote_amount(ref: OrderRef, raw: RawOrder) -> Decimal | None:
    """Return the amount paid. Below zero it is not known (rest-api.md, "Query order")."""
    text = raw.cummulative_quote_qty
    return None if text is None else quantity(ref, "cummulativeQuoteQty", text, SIGNED_QUANTITY)


def _ordered_quantity(
    ref: OrderRef, raw: RawOrder, executed_qty: Decimal, quote_quantity: Decimal | None
) -> Decimal | None:
    """Return the ordered quantity, or None if it is zero and the order has no quote size.

    None too if self-trade prevention took away all that was not executed: with DECREMENT an order
    is FILLED when the rest of it is (faqs/stp_faq.md, "What is prevented quantity?", of
    github.com/binance/binance-spot-api-docs, read 2026-11-29).
    """
    if raw.orig_qty is None:
        return None
    if raw.orig_qty == raw.executed_qty:
        ordered = executed_qty  # One number instead of two: a batch keeps thousands.
    else:
        ordered = quantity(ref, "origQty", raw.orig_qty)
    if not ordered and quote_quantity is None:
        return None
    if executed_qty:
        require_executed_within(ref, executed_qty, ordered, names=("executedQty", "origQty"))
    prevented = optional_quantity(ref, "preventedQuantity", raw.prevented_quantity)
    return None if prevented and executed_qty + prevented >= ordered else ordered
