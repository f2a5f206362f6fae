"""freqtrade: floating point, `BTC/USDT`, and a flag next to the status."""

from reconciler.domain.status import OPEN, Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, base_and_quote, left, naive, number

WORDS = {
    Status.PENDING: "open",
    Status.NEW: "open",
    Status.PARTIAL: "open",
    Status.FILLED: "closed",
    Status.CANCELED: "canceled",
    Status.EXPIRED: "expired",
    Status.REJECTED: "rejected",
}


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    pair = "/".join(base_and_quote(order.symbol))
    return {
        "ft_trade_id": 1,
        "ft_order_side": order.side.lower(),
        "ft_pair": pair,
        "ft_is_open": state.status in OPEN,
        "ft_amount": number(order.qty),
        "ft_price": number(order.price),
        "order_id": str(order.order_id),
        "status": FREQTRADE.word_for(order, state.status),
        "symbol": pair,
        "order_type": "limit",
        "side": order.side.lower(),
        "price": number(order.price),
        "average": number(state.avg_price),
        "amount": number(order.qty),
        "filled": number(state.executed_qty),
        "remaining": float(left(order, state)),
        "order_date": naive(order.created_at),
        "order_update_date": naive(order.created_at),
    }


FREQTRADE = Platform(
    name="freqtrade",
    table="orders",
    external_id="order_id",
    row=_row,
    words=WORDS,
    truth="SELECT replace(ft_pair, '/', ''), order_id, status, filled, average FROM orders",
)
