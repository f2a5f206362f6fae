"""peatio: statuses are integers, and a row has what remains, not what is executed."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import (
    Platform,
    Row,
    Statement,
    base_and_quote,
    left,
    naive,
)

WORDS = {
    Status.PENDING: "0",
    Status.NEW: "100",
    Status.PARTIAL: "100",
    Status.FILLED: "200",
    Status.CANCELED: "-100",
    Status.EXPIRED: "-100",
    Status.REJECTED: "-200",
}


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    base, quote = (asset.lower() for asset in base_and_quote(order.symbol))
    return {
        "bid": quote,
        "ask": base,
        "market_id": order.symbol.lower(),
        "price": order.price,
        "volume": left(order, state),
        "origin_volume": order.qty,
        "state": int(PEATIO.word_for(order, state.status)),
        "type": "OrderBid" if order.side == "BUY" else "OrderAsk",
        "member_id": 1,
        "ord_type": "limit",
        "locked": left(order, state) * Decimal(order.price),
        "origin_locked": Decimal(order.qty) * Decimal(order.price),
        "created_at": naive(order.created_at),
        "updated_at": naive(order.created_at),
        "venue_order_id": str(order.order_id),
    }


def _markets(symbols: Sequence[str]) -> Iterator[Statement]:
    for symbol in symbols:
        base, quote = (asset.lower() for asset in base_and_quote(symbol))
        yield (
            "INSERT INTO markets (id, base_unit, quote_unit) VALUES (%s, %s, %s)",
            (symbol.lower(), base, quote),
        )


PEATIO = Platform(
    name="peatio",
    table="orders",
    external_id="venue_order_id",
    row=_row,
    words=WORDS,
    truth="SELECT upper(market_id), venue_order_id, state::text, origin_volume - volume, NULL"
    " FROM orders",
    average_places=None,
    reference_rows=_markets,
)
