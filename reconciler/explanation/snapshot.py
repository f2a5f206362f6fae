"""Take the snapshot of an order that `answer` explains."""

from sqlalchemy import Connection

from reconciler.control.running_supervisor import ask_supervisor
from reconciler.domain.order import OrderId
from reconciler.errors import ConfigurationError, NoSupervisor
from reconciler.explanation.answer import OrderSnapshot
from reconciler.settings import Settings
from reconciler.store.activity import read_history
from reconciler.store.explain import read_lock_holders, read_row
from reconciler.store.holds import read_hold
from reconciler.store.orders_table import OrdersTable
from reconciler.store.shared_state import read_halt
from reconciler.supervisor.status import OrderLocation


def take_snapshot(
    connection: Connection, settings: Settings, orders: OrdersTable, order_id: OrderId
) -> OrderSnapshot:
    """Read what the database and the running supervisor know about an order. Takes no lock."""
    row = read_row(connection, orders, order_id, stale_after=settings.stale_after)
    location, unanswered = (None, None) if row is None else _locate(settings, row.symbol, order_id)
    return OrderSnapshot(
        order_id=str(order_id),
        scope=settings.scope,
        row=row,
        hold=read_hold(connection, settings.scope, str(order_id)),
        holders=() if row is None else read_lock_holders(connection, orders, order_id),
        location=location,
        unanswered=unanswered,
        halted=read_halt(connection, settings.scope),
        activity=read_history(connection, str(order_id)),
    )


def _locate(
    settings: Settings, symbol: str, order_id: OrderId
) -> tuple[OrderLocation | None, str | None]:
    """Return where the supervisor has the order, or why it does not answer."""
    try:
        location = ask_supervisor(settings, "locate", OrderLocation, key=symbol, id=str(order_id))
    except NoSupervisor as error:
        return None, str(error)
    except ConfigurationError as error:
        return None, f"the supervisor refuses to say: {error.problems[0].what}"
    return location, None
