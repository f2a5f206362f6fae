"""hummingbot-api: several connectors and accounts in one table; the file follows one of them."""

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, aware, base_and_quote

WORDS = {
    Status.PENDING: "SUBMITTED",
    Status.NEW: "OPEN",
    Status.PARTIAL: "PARTIALLY_FILLED",
    Status.FILLED: "FILLED",
    Status.CANCELED: "CANCELLED",
    Status.EXPIRED: "CANCELLED",
    Status.REJECTED: "FAILED",
}


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    return {
        "client_order_id": order.client_order_id,
        "exchange_order_id": str(order.order_id),
        "created_at": aware(order.created_at),
        "updated_at": aware(order.created_at),
        "account_name": "master_account",
        "connector_name": "binance",
        "trading_pair": "-".join(base_and_quote(order.symbol)),
        "trade_type": order.side,
        "order_type": "LIMIT",
        "amount": order.qty,
        "price": order.price,
        "status": HUMMINGBOT_API.word_for(order, state.status),
        "filled_amount": state.executed_qty,
        "average_fill_price": state.avg_price,
    }


HUMMINGBOT_API = Platform(
    name="hummingbot_api",
    table="orders",
    external_id="exchange_order_id",
    row=_row,
    words=WORDS,
    truth="SELECT replace(trading_pair, '-', ''), exchange_order_id, status, filled_amount,"
    " average_fill_price FROM orders",
)
