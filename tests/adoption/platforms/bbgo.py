"""bbgo: the exchange's id is a bigint, the key is `gid`, and a word does not fit the column."""

from reconciler.domain.status import OPEN, Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, naive

WORDS = {
    Status.PENDING: "NEW",
    Status.NEW: "NEW",
    Status.PARTIAL: "NEW",
    Status.FILLED: "FILLED",
    Status.CANCELED: "CANCELED",
    Status.EXPIRED: "EXPIRED",
    Status.REJECTED: "REJECTED",
}


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    return {
        "exchange": "binance",
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "order_type": "LIMIT",
        "symbol": order.symbol,
        "status": BBGO.word_for(order, state.status),
        "time_in_force": "GTC",
        "price": order.price,
        "stop_price": 0,
        "quantity": order.qty,
        "executed_quantity": state.executed_qty,
        "side": order.side,
        "is_working": state.status in OPEN,
        "created_at": naive(order.created_at),
        "updated_at": naive(order.created_at),
    }


BBGO = Platform(
    name="bbgo",
    table="orders",
    external_id="order_id",
    row=_row,
    words=WORDS,
    truth="SELECT symbol, order_id::text, status, executed_quantity, NULL FROM orders",
    average_places=None,
)
