"""jesse: uuids, single-precision floats, epoch ms, and words with a blank."""

import struct
from decimal import Decimal
from uuid import UUID

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, base_and_quote, number

WORDS = {
    Status.PENDING: "QUEUED",
    Status.NEW: "ACTIVE",
    Status.PARTIAL: "PARTIALLY FILLED",
    Status.FILLED: "EXECUTED",
    Status.CANCELED: "CANCELED",
    Status.EXPIRED: "CANCELED",
    Status.REJECTED: "REJECTED",
}
SESSION = UUID(int=0x5E55 << 112)


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    return {
        "id": UUID(int=0x0D << 120 | order.order_id),
        "session_id": SESSION,
        "exchange_id": str(order.order_id),
        "vars": "{}",
        "symbol": "-".join(base_and_quote(order.symbol)),
        "exchange": "Binance Spot",
        "side": order.side.lower(),
        "type": "LIMIT",
        "reduce_only": False,
        "qty": number(order.qty),
        "filled_qty": number(state.executed_qty),
        "price": number(order.price),
        "status": JESSE.word_for(order, state.status),
        "created_at": order.created_at,
    }


def _single_precision(amount: Decimal) -> Decimal:
    (single,) = struct.unpack("f", struct.pack("f", amount))
    return Decimal(single)


JESSE = Platform(
    name="jesse",
    table='"order"',
    external_id="exchange_id",
    row=_row,
    words=WORDS,
    truth="SELECT replace(symbol, '-', ''), exchange_id, status, filled_qty, NULL FROM \"order\"",
    average_places=None,
    as_stored=_single_precision,
)
