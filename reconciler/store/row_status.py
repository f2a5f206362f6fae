"""Read the status of one row of `orders` by its id."""

from uuid import UUID

from sqlalchemy import BigInteger, Connection, Uuid, literal, select

from reconciler.domain.order import OrderId
from reconciler.store.orders_table import OrdersTable

_LARGEST_ID = 2**63 - 1


def read_row_status(connection: Connection, orders: OrdersTable, order_id: OrderId) -> str | None:
    """Read the status of a row, also if it is none of our words; None if there is no such row."""
    is_uuid = isinstance(order_id, UUID)
    if is_uuid != isinstance(orders.id_type, Uuid):
        return None
    if isinstance(order_id, int) and abs(order_id) > _LARGEST_ID:
        return None
    wanted = literal(order_id, Uuid() if is_uuid else BigInteger())
    statement = select(orders.status).select_from(orders.rows).where(orders.id == wanted)
    status: str | None = connection.execute(statement).scalar_one_or_none()
    return status
