"""One order as Bybit sends it, translated to a `Report`."""

from datetime import datetime
from decimal import Decimal

from reconciler.domain.order import SIDES
from reconciler.domain.report import Report, average_price
from reconciler.domain.status import Status
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.bybit.constants import BASE_UNIT, QUOTE_UNIT, STATUSES
from reconciler.exchanges.bybit.raw_orders import RawOrder
from reconciler.exchanges.raw_values import (
    client_order_id,
    known_words,
    optional_quantity,
    quantity,
    require_executed_within,
    time_of_ms,
    word_and_status,
)

_KNOWN_WORDS = known_words(STATUSES)


def to_report(ref: OrderRef, raw: RawOrder, fetched_at: datetime) -> Report:
    """Translate the raw order of `ref`.

    Raises:
        UnreadableRow: the order contradicts itself, or a quantity is invalid.
    """
    word, status = word_and_status(_KNOWN_WORDS, raw.order_status)
    executed_qty = quantity(ref, "cumExecQty", raw.cum_exec_qty)
    if status is Status.REJECTED and executed_qty:
        status = Status.CANCELED  # What was executed stays executed.
    return Report(
        symbol=ref.symbol,
        external_order_id=ref.external_order_id,
        word=word,
        status=status,
        executed_qty=executed_qty,
        avg_price=_average_price(ref, raw, executed_qty),
        fetched_at=fetched_at,
        quantity=_ordered_quantity(ref, raw, executed_qty),
        is_quote_sized=_unit_of(raw) == QUOTE_UNIT,
        side=SIDES.get(raw.side.lower()) if isinstance(raw.side, str) else None,
        client_order_id=client_order_id(raw.order_link_id),
        placed_at=time_of_ms(raw.created_time),
        changed_at=time_of_ms(raw.updated_time),
    )


def _average_price(ref: OrderRef, raw: RawOrder, executed_qty: Decimal) -> Decimal | None:
    """Return `avgPrice`, or the value through the quantity where there is none.

    order/order-list.mdx: `avgPrice` is "" for an order without an average price. Until 2026-05-19
    the page said that classic accounts get "0", also for orders that ended with fills.
    """
    average = optional_quantity(ref, "avgPrice", raw.avg_price, blank_is_none=True)
    value = optional_quantity(ref, "cumExecValue", raw.cum_exec_value, blank_is_none=True)
    if not executed_qty:
        return None
    return average or average_price(value, executed_qty)


def _ordered_quantity(ref: OrderRef, raw: RawOrder, executed_qty: Decimal) -> Decimal | None:
    """Return `qty`, or None if it is not known to be in base currency."""
    ordered = optional_quantity(ref, "qty", raw.qty, blank_is_none=True)
    if not ordered or _unit_of(raw) != BASE_UNIT:
        return None
    require_executed_within(ref, executed_qty, ordered, names=("cumExecQty", "qty"))
    return ordered


def _unit_of(raw: RawOrder) -> str | None:
    """Return the unit of `qty`; None if it is not known.

    order/create-order.mdx: a limit order has a quantity of base currency. For a market order
    `marketUnit` says it; without that a buy is for an amount of quote currency.
    """
    match raw.order_type, raw.market_unit or None, raw.side:
        case ("Limit", _, _):
            return BASE_UNIT
        case ("Market", str(unit), _):
            return unit
        case ("Market", None, "Buy"):
            return QUOTE_UNIT
        case ("Market", None, "Sell"):
            return BASE_UNIT
        case _:
            return None
