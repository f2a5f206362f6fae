"""Read the status of one row of `orders` by its id."""

from uuid import UUID

from sqlalchemy import BigInteger, Connection, Text, Uuid, cast, literal, select
from sqlalchemy.types import TypeEngine

from reconciler.domain.order import OrderId
from reconciler.store.order_ids import has_texts
from reconciler.store.orders_table import OrdersTable

_LARGEST_ID = 2**63 - 1


def read_row_status(connection: Connection, orders: OrdersTable, order_id: OrderId) -> str | None:
    """Read the status of a row, also if it is none of our words; None if there is no such row."""
    if not _may_have(orders.id_type, order_id):
        return None
    statement = select(orders.status).select_from(orders.rows)
    if isinstance(order_id, str):
        # Letter by letter: our own tables name the order so.
        exactly = cast(orders.id, Text) == literal(order_id, Text())
        statement = statement.where(orders.id == literal(order_id, orders.id_type), exactly)
    else:
        wide_type = Uuid() if isinstance(order_id, UUID) else BigInteger()
        statement = statement.where(orders.id == literal(order_id, wide_type))
    # A view may show an id twice: such rows are on hold, and one of them stands for all.
    status: str | None = connection.execute(statement).scalars().first()
    return status


def _may_have(id_type: TypeEngine[object], order_id: OrderId) -> bool:
    """Return True if a column of this type may have this id."""
    match order_id:
        case str():
            return has_texts(id_type)
        case UUID():
            return isinstance(id_type, Uuid)
        case int():
            is_integer = not has_texts(id_type) and not isinstance(id_type, Uuid)
            return is_integer and abs(order_id) <= _LARGEST_ID
