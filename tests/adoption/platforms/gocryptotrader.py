"""gocryptotrader: no average at all, and two words for a canceled order."""

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, base_and_quote, naive, number

WORDS = {
    Status.PENDING: "NEW",
    Status.NEW: "NEW",
    Status.PARTIAL: "PARTIALLY_FILLED",
    Status.FILLED: "FILLED",
    Status.CANCELED: "CANCELLED",
    Status.EXPIRED: "EXPIRED",
    Status.REJECTED: "REJECTED",
}


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    return {
        "exchange_order_id": str(order.order_id),
        "client_id": "0b6dd5a1-94e8-4d3c-8a7f-1f5f9c5c6a01",
        "exchange": "Binance",
        "currency_pair": "-".join(base_and_quote(order.symbol)),
        "asset_type": "spot",
        "order_type": "LIMIT",
        "order_side": order.side,
        "order_status": GOCRYPTOTRADER.word_for(order, state.status),
        "amount": number(order.qty),
        "price": number(order.price),
        "updated_at": naive(order.created_at),
        "created_at": naive(order.created_at),
        "executed_amount": number(state.executed_qty),
    }


GOCRYPTOTRADER = Platform(
    name="gocryptotrader",
    table="order_event",
    external_id="exchange_order_id",
    row=_row,
    words=WORDS,
    truth="SELECT replace(currency_pair, '-', ''), exchange_order_id, order_status,"
    " executed_amount, NULL FROM order_event",
    average_places=None,
)
