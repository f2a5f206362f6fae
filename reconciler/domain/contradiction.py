"""Find out whether the exchange's order is another one than the row's, under the same id: pure.

An exchange's id alone does not identify an order for ever: a testnet is wiped and counts from one
again, a database is restored under another account, a proxy rounds 64-bit ids. Row and exchange
both know more of the order than its id, and what both know must agree.

    row                report                    contradicts where
    ---                ------                    -----------------
    qty                executed_qty              more is executed than the row ordered
    side               side                      they differ
    created_at         placed_at                 they are more than a day apart, and no import
                                                 explains it
    client_order_id    client_order_id           they differ, and no amendment explains it

- `qty` is not compared for an order that was sized in quote currency: it may be that amount.
- An amended order keeps its id, loses quantity, and gets a new client id unless told otherwise
  (Binance, faqs/order_amend_keep_priority.md, read 2026-11-27). So another client id is no
  contradiction if the exchange's order is smaller than the row's.
- An application may import orders that it did not place: such a row is far younger than its order.
  That is no contradiction if quantity or client id are the same. An order that was placed long
  after its row was created always contradicts.
- A `qty` that is zero, negative or not a number counts as unknown.
"""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from reconciler.domain.column_scale import Scale, is_same_number, rounded
from reconciler.domain.order import Order
from reconciler.domain.report import Report

MAX_TIME_DIFFERENCE = timedelta(days=1)
"""An application writes its row within seconds of placing the order; time zones differ by hours."""


class ComparedColumn(StrEnum):
    """A column that is compared with the exchange's order. The values are the columns' names."""

    QTY = "qty"
    SIDE = "side"
    CLIENT_ORDER_ID = "client_order_id"
    CREATED_AT = "created_at"


def contradictions(
    order: Order, report: Report, compared: AbstractSet[ComparedColumn], ordered_scale: Scale
) -> list[str]:
    """Name each contradiction between row and report; if there is none, it may be the same order.

    `ordered_scale` is the scale of the column `qty`.
    """
    qty = None if report.is_quote_sized else known_quantity(order.qty)
    overfill = _overfill(qty, report, ordered_scale)
    side = _side_mismatch(order, report)
    time = _time_mismatch(order, qty, report, ordered_scale)
    client_id = _client_id_mismatch(order, qty, report, ordered_scale)
    if overfill is side is time is client_id is None:
        return []  # Nearly always. Making the table below would take as long as all of the above.
    found = {
        ComparedColumn.QTY: overfill,
        ComparedColumn.SIDE: side,
        ComparedColumn.CREATED_AT: time,
        ComparedColumn.CLIENT_ORDER_ID: client_id,
    }
    return [text for column, text in found.items() if text and column in compared]


def format_minute(moment: datetime) -> str:
    """Return a time as text, to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def known_quantity(qty: Decimal | None) -> Decimal | None:
    """Return the row's `qty`; None if it is no quantity that an order can have."""
    return qty if qty is not None and qty.is_finite() and qty > 0 else None


def _overfill(qty: Decimal | None, report: Report, ordered_scale: Scale) -> str | None:
    if qty is None or report.executed_qty <= qty:
        return None
    executed = rounded(report.executed_qty, ordered_scale)
    if executed <= qty or is_same_number(executed, qty, ordered_scale):
        return None  # Only digits that the column cannot keep differ.
    return f"the exchange has {report.executed_qty:f} executed, the row qty {qty:f}"


def _side_mismatch(order: Order, report: Report) -> str | None:
    if order.side is None or report.side is None or order.side is report.side:
        return None
    return f"the exchange has side {report.side.value}, the row {order.side.value}"


def _time_mismatch(
    order: Order, qty: Decimal | None, report: Report, ordered_scale: Scale
) -> str | None:
    if order.created_at is None or report.placed_at is None:
        return None
    age_of_row = report.placed_at - order.created_at
    if abs(age_of_row) <= MAX_TIME_DIFFERENCE:
        return None
    if age_of_row < -MAX_TIME_DIFFERENCE and (
        # Two orders hardly ever share one of these.
        (qty is not None and is_same_quantity(qty, report, ordered_scale))
        or _has_same_client_id(order, report)
    ):
        return None
    return (
        f"the exchange's was placed {format_minute(report.placed_at)}, the row created"
        f" {format_minute(order.created_at)}"
    )


def is_same_quantity(qty: Decimal, report: Report, ordered_scale: Scale) -> bool:
    """Return True if the row's finite `qty` is the exchange's quantity, as the column keeps it."""
    return report.quantity is not None and is_same_number(
        qty, rounded(report.quantity, ordered_scale), ordered_scale
    )


def _has_same_client_id(order: Order, report: Report) -> bool:
    return bool(order.client_order_id) and order.client_order_id == report.client_order_id


def _client_id_mismatch(
    order: Order, qty: Decimal | None, report: Report, ordered_scale: Scale
) -> str | None:
    ours, theirs = order.client_order_id, report.client_order_id
    if not ours or not theirs or ours == theirs or _is_amended(qty, report, ordered_scale):
        return None
    return f"the exchange has client id {theirs!r}, the row {ours!r}"


def _is_amended(qty: Decimal | None, report: Report, ordered_scale: Scale) -> bool:
    if qty is None or report.quantity is None or not 0 < report.quantity < qty:
        return False
    return not is_same_quantity(qty, report, ordered_scale)
