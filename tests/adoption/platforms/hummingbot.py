"""hummingbot: words are events that name the side, amounts are millionths, times are epoch ms.

One word must be written for `filled`, and the two words say the side. So two programs share the
table, one for the buys and one for the sells.
"""

from decimal import ROUND_HALF_UP, Decimal

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, base_and_quote

WORDS = {
    Status.PENDING: "{side}OrderCreated",
    Status.NEW: "{side}OrderCreated",
    Status.PARTIAL: "OrderFilled",
    Status.FILLED: "{side}OrderCompleted",
    Status.CANCELED: "OrderCancelled",
    Status.EXPIRED: "OrderExpired",
    Status.REJECTED: "OrderFailure",
}


def _word(order: ListedOrder, status: Status) -> str:
    return WORDS[status].format(side=order.side.capitalize())


def _millionths(text: str) -> int:
    return int((Decimal(text) * 10**6).quantize(Decimal(1), ROUND_HALF_UP))


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    base, quote = base_and_quote(order.symbol)
    pair = f"{base}-{quote}"
    return {
        "id": f"{order.side.lower()}-{pair}-{order.client_order_id}",
        "config_file_path": "conf_pure_mm_1.yml",
        "strategy": "pure_market_making",
        "market": "binance",
        "symbol": pair,
        "base_asset": base,
        "quote_asset": quote,
        "creation_timestamp": order.created_at,
        "order_type": "LIMIT",
        "amount": _millionths(order.qty),
        "price": _millionths(order.price),
        "last_status": HUMMINGBOT.word_for(order, state.status),
        "last_update_timestamp": order.created_at,
        "exchange_order_id": str(order.order_id),
        "filled_amount": _millionths(state.executed_qty),
        "average_price": None if state.avg_price is None else _millionths(state.avg_price),
    }


HUMMINGBOT = Platform(
    name="hummingbot",
    table='"Order"',
    external_id="exchange_order_id",
    row=_row,
    words=WORDS,
    word=_word,
    truth="SELECT replace(symbol, '-', ''), exchange_order_id, last_status,"
    ' filled_amount / 1e6, average_price / 1e6 FROM "Order"',
    average_places=6,
    files=("hummingbot", "hummingbot_sells"),
)
