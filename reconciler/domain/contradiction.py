"""Tell an order from another one that an exchange shows under the same id: pure.

An exchange's id alone does not name an order for ever: a testnet is wiped and counts from one, a
database is restored under another account, a proxy rounds 64-bit ids. Each of the two sides knows
more of the order than its id, and what both know must agree.

    row                report                    contradicts where
    ---                ------                    -----------------
    qty                executed_qty              more is executed than the row ordered
    side               side                      they differ
    created_at         placed_at                 they are more than a day apart, and no import
                                                 explains it
    client_order_id    client_order_id           they differ, and no amendment explains it

- Of an order that was sized in quote currency nothing is said about `qty`: the row's may be that
  amount.
- An amended order keeps its id, loses quantity, and gets a new client id unless told otherwise
  (Binance, faqs/order_amend_keep_priority.md, read 2026-11-27). So another client id says nothing
  where the exchange's order is smaller than the row's.
- An application imports orders that it did not place: such a row is far younger than its order.
  Where it has the quantity that was ordered, or the client id, that explains it. Nothing explains
  an order that was placed long after its row.
- A `qty` that is zero, negative or no number is not known.
"""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from reconciler.domain.order import Order
from reconciler.domain.report import Report, Scale, rounded

FARTHEST_APART = timedelta(days=1)
"""An application writes its row within seconds of placing the order; zones differ by hours."""


class ComparedColumn(StrEnum):
    """What of a row can be compared. The values are its columns' names."""

    QTY = "qty"
    SIDE = "side"
    CLIENT_ORDER_ID = "client_order_id"
    CREATED_AT = "created_at"


def contradictions(
    order: Order, report: Report, compared: AbstractSet[ComparedColumn], ordered_scale: Scale
) -> list[str]:
    """Say for a person what of the row the report contradicts; nothing: it may be the same order.

    `ordered_scale` is how the column `qty` keeps a number.
    """
    qty = None if report.is_quote_sized else _known(order.qty)
    more = _more_executed(qty, report, ordered_scale)
    side = _other_side(order, report)
    time = _other_time(order, qty, report)
    client_id = _other_client_id(order, qty, report)
    if more is side is time is client_id is None:
        return []  # Nearly every order, twice: what follows would take as long as all of the above.
    found = {
        ComparedColumn.QTY: more,
        ComparedColumn.SIDE: side,
        ComparedColumn.CREATED_AT: time,
        ComparedColumn.CLIENT_ORDER_ID: client_id,
    }
    return [told for comparison, told in found.items() if told and comparison in compared]


def shown(moment: datetime) -> str:
    """Return a time for a person, to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _known(qty: Decimal | None) -> Decimal | None:
    return qty if qty is not None and qty.is_finite() and qty > 0 else None


def _more_executed(qty: Decimal | None, report: Report, ordered_scale: Scale) -> str | None:
    if qty is None or report.executed_qty <= qty:
        return None
    if rounded(report.executed_qty, ordered_scale) <= qty:
        return None  # What a narrow column has rounded away is no difference.
    return f"the exchange has {report.executed_qty:f} executed, the row qty {qty:f}"


def _other_side(order: Order, report: Report) -> str | None:
    if order.side is None or report.side is None or order.side is report.side:
        return None
    return f"the exchange has side {report.side.value}, the row {order.side.value}"


def _other_time(order: Order, qty: Decimal | None, report: Report) -> str | None:
    if order.created_at is None or report.placed_at is None:
        return None
    age_of_row = report.placed_at - order.created_at
    if abs(age_of_row) <= FARTHEST_APART:
        return None
    if age_of_row < -FARTHEST_APART and _is_recognised(order, qty, report):
        return None
    return (
        f"the exchange's was placed {shown(report.placed_at)}, the row created"
        f" {shown(order.created_at)}"
    )


def _is_recognised(order: Order, qty: Decimal | None, report: Report) -> bool:
    """Whether something that hardly two orders share is the same."""
    has_same_quantity = qty is not None and qty == report.quantity
    return has_same_quantity or (
        bool(order.client_order_id) and order.client_order_id == report.client_order_id
    )


def _other_client_id(order: Order, qty: Decimal | None, report: Report) -> str | None:
    ours, theirs = order.client_order_id, report.client_order_id
    if not ours or not theirs or ours == theirs or _is_amended(qty, report):
        return None
    return f"the exchange has client id {theirs!r}, the row {ours!r}"


def _is_amended(qty: Decimal | None, report: Report) -> bool:
    return qty is not None and report.quantity is not None and 0 < report.quantity < qty
