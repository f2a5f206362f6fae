"""Builders with defaults for the tests of the shadow."""

from decimal import Decimal

from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.orders.dry_run_notes import DryRunNotes, WouldChange
from reconciler.store.followed_rows import FollowedRow
from reconciler.store.stale_order import StaleOrder


def facts(status: Status, executed: str = "0", average: str | None = None) -> Facts:
    price = None if average is None else Decimal(average)
    return Facts(status=status, executed_qty=Decimal(executed), avg_price=price)


OPEN = facts(Status.NEW)
FILLED = facts(Status.FILLED, "4", "10")


def a_change(
    order_id: int = 1,
    *,
    before: Facts = OPEN,
    after: Facts = FILLED,
    external: str | None = None,
) -> WouldChange:
    return WouldChange(
        order_id=order_id,
        symbol="BTCUSDT",
        external_order_id=external or f"x{order_id}",
        rule="ended",
        before=before,
        after=after,
    )


def notes_of(*changes: WouldChange) -> DryRunNotes:
    return DryRunNotes(changes=list(changes))


def a_row(row: Facts | None, external: str = "x1") -> FollowedRow:
    return FollowedRow(external, row)


def a_stale_order(order_id: int = 1, *, external: str | None = None) -> StaleOrder:
    return StaleOrder(
        id=order_id,
        symbol="BTCUSDT",
        external_order_id=external or f"x{order_id}",
        status=Status.NEW,
        executed_qty=Decimal(0),
        avg_price=None,
        created_at=None,
        is_on_hold=False,
    )
