"""nautilus_trader: amounts are texts, times are texts of nanoseconds, symbols name the venue."""

from collections.abc import Iterator, Sequence

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, Statement, aware, number

WORDS = {
    Status.PENDING: "SUBMITTED",
    Status.NEW: "ACCEPTED",
    Status.PARTIAL: "PARTIALLY_FILLED",
    Status.FILLED: "FILLED",
    Status.CANCELED: "CANCELED",
    Status.EXPIRED: "EXPIRED",
    Status.REJECTED: "REJECTED",
}
_NS_A_MS = 1_000_000


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    return {
        "id": order.client_order_id,
        "trader_id": "TRADER-001",
        "strategy_id": "MM-001",
        "instrument_id": f"{order.symbol}.BINANCE",
        "client_order_id": order.client_order_id,
        "venue_order_id": str(order.order_id),
        "order_type": "LIMIT",
        "order_side": order.side,
        "quantity": order.qty,
        "price": order.price,
        "time_in_force": "GTC",
        "filled_qty": state.executed_qty,
        "avg_px": number(state.avg_price),
        "status": NAUTILUS.word_for(order, state.status),
        "init_id": order.client_order_id,
        "ts_init": str(order.created_at * _NS_A_MS),
        "ts_last": str(order.created_at * _NS_A_MS),
        "created_at": aware(order.created_at),
        "updated_at": aware(order.created_at),
    }


def _instruments(symbols: Sequence[str]) -> Iterator[Statement]:
    for symbol in symbols:
        yield (
            "INSERT INTO instrument (id, raw_symbol, price_precision) VALUES (%s, %s, 8)",
            (f"{symbol}.BINANCE", symbol),
        )


NAUTILUS = Platform(
    name="nautilus",
    table='"order"',
    external_id="venue_order_id",
    row=_row,
    words=WORDS,
    truth="SELECT split_part(instrument_id, '.', 1), venue_order_id, status, filled_qty, avg_px"
    ' FROM "order"',
    reference_rows=_instruments,
)
