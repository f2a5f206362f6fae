"""Our own names in a partitioned table with a schema, and the time of the last sync in it."""

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, aware


def _row(order: ListedOrder, state: ListedState, number: int) -> Row:
    return {
        "id": number,
        "symbol": order.symbol,
        "external_order_id": str(order.order_id),
        "client_order_id": order.client_order_id,
        "side": order.side.lower(),
        "status": PARTITIONED.word_for(order, state.status),
        "qty": order.qty,
        "executed_qty": state.executed_qty,
        "avg_price": state.avg_price,
        "created_at": aware(order.created_at),
        "updated_at": aware(order.created_at),
        "last_synced_at": None if number % 10 == 0 else aware(order.created_at),
    }


PARTITIONED = Platform(
    name="partitioned",
    table="trading.orders",
    external_id="external_order_id",
    row=_row,
    words={status: status.value for status in Status},
    sync_times="trading.orders",
    truth="SELECT symbol, external_order_id, status, executed_qty, avg_price FROM trading.orders",
)
