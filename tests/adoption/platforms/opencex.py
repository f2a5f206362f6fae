"""OpenCEX: the symbol is behind a foreign key, and no average is 0, not NULL."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from reconciler.domain.status import OPEN, Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import (
    MARKETS,
    Platform,
    Row,
    Statement,
    aware,
    base_and_quote,
    left,
)

WORDS = {
    Status.PENDING: "0",
    Status.NEW: "0",
    Status.PARTIAL: "0",
    Status.FILLED: "1",
    Status.CANCELED: "2",
    Status.EXPIRED: "2",
    Status.REJECTED: "2",
}
_PAIR_IDS = {symbol: number for number, symbol in enumerate(MARKETS, start=1)}


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    is_open = state.status in OPEN
    return {
        "created": aware(order.created_at),
        "updated": aware(order.created_at),
        "user_id": 1,
        "type": 2,
        "operation": 0 if order.side == "BUY" else 1,
        "state": int(OPENCEX.word_for(order, state.status)),
        "status": 0,
        "in_transaction_id": 1,
        "pair_id": _PAIR_IDS[order.symbol],
        "executed": not is_open,
        "quantity": order.qty,
        "price": order.price,
        "price_ts": aware(order.created_at),
        "quantity_left": left(order, state),
        "vwap": state.avg_price or Decimal(0),
        "in_stack": is_open,
        "venue_order_id": str(order.order_id),
    }


def _pairs(symbols: Sequence[str]) -> Iterator[Statement]:
    pairs = {symbol: base_and_quote(symbol) for symbol in symbols}
    codes = sorted({code for pair in pairs.values() for code in pair})
    for number, code in enumerate(codes, start=1):
        yield "INSERT INTO core_currency (id, code) VALUES (%s, %s)", (number, code)
    for symbol, (base, quote) in pairs.items():
        yield (
            "INSERT INTO core_pair (id, base, quote) VALUES (%s, %s, %s)",
            (_PAIR_IDS[symbol], codes.index(base) + 1, codes.index(quote) + 1),
        )


OPENCEX = Platform(
    name="opencex",
    table="core_order",
    external_id="venue_order_id",
    row=_row,
    words=WORDS,
    truth="SELECT b.code || q.code, o.venue_order_id, o.state::text, o.quantity - o.quantity_left,"
    " nullif(o.vwap, 0) FROM core_order AS o JOIN core_pair AS p ON p.id = o.pair_id"
    " JOIN core_currency AS b ON b.id = p.base JOIN core_currency AS q ON q.id = p.quote",
    reference_rows=_pairs,
)
