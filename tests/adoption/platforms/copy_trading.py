"""A copy-trading service: the symbol is in two columns, and a trigger keeps `changed_at`."""

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, base_and_quote, left, naive

WORDS = {
    Status.PENDING: "submitted",
    Status.NEW: "working",
    Status.PARTIAL: "partly_done",
    Status.FILLED: "done",
    Status.CANCELED: "withdrawn",
    Status.EXPIRED: "lapsed",
    Status.REJECTED: "refused",
}


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    base, quote = base_and_quote(order.symbol)
    return {
        "follower_id": "6a1f0000-0000-4000-8000-000000000001",
        "base": base,
        "quote": quote,
        "side": order.side.lower(),
        "exchange_order_id": str(order.order_id),
        "quantity": order.qty,
        "quantity_remaining": left(order, state),
        "limit_price": order.price,
        "average_price": state.avg_price,
        "state": COPY_TRADING.word_for(order, state.status),
        "placed_at": naive(order.created_at),
        "changed_at": naive(order.created_at),
    }


COPY_TRADING = Platform(
    name="copy_trading",
    table="copy.copied_orders",
    external_id="exchange_order_id",
    row=_row,
    words=WORDS,
    truth="SELECT base || quote, exchange_order_id, state, quantity - quantity_remaining,"
    " average_price FROM copy.copied_orders",
)
