"""What a decision would do to each of some holds, before a person confirms it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from reconciler.console.comparison import Compared, compare
from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.store.hold_acceptance import (
    NEEDS_STATUS,
    NOTHING_TO_ACCEPT,
    NotAcceptable,
    decide_acceptance,
    needs_status,
)
from reconciler.store.hold_decisions import fingerprint
from reconciler.store.holds import HeldOrder, read_hold
from reconciler.store.orders_table import OrdersTable

NO_STATUS = "the exchange has no status for it that we know: name the true one above"


@dataclass(frozen=True, kw_only=True)
class HoldPreview:
    """What would become of one order.

    Attributes:
        hold: None if the order never was on hold.
        to: What would be written into its row; None if nothing is.
        why_not: Why nothing can be done; None if it can.
        shown: The hold's fingerprint, so that nothing is done if it changes meanwhile.
    """

    order_id: str
    hold: HeldOrder | None
    to: Facts | None
    why_not: str | None
    shown: str

    @property
    def compared(self) -> Sequence[Compared]:
        """The row next to what the exchange says."""
        return () if self.hold is None else compare(self.hold)


def preview_dismissal(connection: Connection, orders: OrdersTable, order_id: str) -> HoldPreview:
    """Return what dismissing an order's hold would do."""
    hold = read_hold(connection, orders.scope, order_id)
    return _preview(order_id, hold, to=None, why_not=None)


def preview_acceptance(
    connection: Connection, orders: OrdersTable, order_id: str, status: Status | None
) -> HoldPreview:
    """Return what accepting an order's hold would write. `status` counts where one is needed."""
    hold = read_hold(connection, orders.scope, order_id)
    if hold is None:
        return _preview(order_id, None, to=None, why_not=None)
    named = status if needs_status(hold) else None
    if named is None and needs_status(hold):
        return _preview(order_id, hold, to=None, why_not=NO_STATUS)
    try:
        acceptance = decide_acceptance(hold, named, orders, now=datetime.now(UTC))
    except NotAcceptable as error:
        return _preview(order_id, hold, to=None, why_not=str(error))
    return _preview(order_id, hold, to=acceptance.to, why_not=None)


def what_happens_to(reason: str, *, is_accepted: bool, status: Status | None) -> str:
    """Return what a decision about many holds does to those for one reason."""
    if not is_accepted:
        return "are dismissed: the next sweep asks the exchange again"
    if reason in NOTHING_TO_ACCEPT:
        return "are refused: the exchange has no view to accept; fix the cause, then dismiss them"
    if reason in NEEDS_STATUS:
        if status is None:
            return "are refused: the exchange has no status for them; name the true one below"
        return f"become {status}; quantity and average stay where the exchange gave none"
    if status is not None:
        return "are refused: the exchange's own view is written, so name no status for them"
    return "get the exchange's view, as it was when each was last held"


def _preview(
    order_id: str, hold: HeldOrder | None, *, to: Facts | None, why_not: str | None
) -> HoldPreview:
    if hold is None:
        why_not = f"order {order_id} has never been on hold"
    elif hold.resolved_at is not None:
        why_not = f"order {order_id} is no longer on hold: {hold.resolution}"
    return HoldPreview(
        order_id=order_id,
        hold=hold,
        to=to if why_not is None else None,
        why_not=why_not,
        shown="" if hold is None else fingerprint(hold),
    )
