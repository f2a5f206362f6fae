"""Lock the holds on which a person decides, so that of two decisions one is done.

The second one waits for the first, and then sees what became of the hold. The rows of `orders` are
locked only after the holds, and never waited for: so a worker, which locks them in the other order,
and a person do not wait for each other.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import ARRAY, Connection, Text, any_, literal

from reconciler.domain.order import OrderId
from reconciler.errors import ReconcilerError
from reconciler.formatting import moment
from reconciler.scope import Scope
from reconciler.store.holds import HeldOrder, held_order, is_active, select_holds
from reconciler.store.tables import holds


class NoSuchHold(ReconcilerError):
    """The order is not on hold, or not any more as it was shown. Nothing was written."""


def lock_holds(
    connection: Connection, scope: Scope, order_ids: Collection[str]
) -> Mapping[str, HeldOrder]:
    """Lock the active holds of some orders until the transaction ends; return them as they are."""
    ids = literal(list(order_ids), ARRAY(Text()))
    statement = (
        select_holds(scope)
        .where(holds.c.order_id == any_(ids), is_active(scope))
        .order_by(holds.c.id)  # So that no two decisions wait for each other.
        .with_for_update(of=holds)
    )
    found = map(held_order, connection.execute(statement).mappings())
    return {hold.order_id: hold for hold in found}


def no_such_hold(order_id: OrderId) -> NoSuchHold:
    """Return the error that an order was never on hold."""
    return NoSuchHold(f"order {order_id} has never been on hold: see reconciler holds list")


def why_no_hold(last: HeldOrder | None, order_id: OrderId) -> NoSuchHold:
    """Return the error that an order is not on hold; `last` is its last hold, if it had one."""
    if last is None or last.resolved_at is None:
        return no_such_hold(order_id)
    ended = f"{last.resolution} at {moment(last.resolved_at)}"
    return NoSuchHold(f"order {order_id} is no longer on hold: {ended}")
