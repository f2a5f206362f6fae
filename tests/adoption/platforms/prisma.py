"""A Prisma schema: cuids as ids, an enum in capitals, camelCase, doubles, timestamp(3)."""

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.platforms.platform import Platform, Row, base_and_quote, naive, number

WORDS = {
    Status.PENDING: "PENDING",
    Status.NEW: "OPEN",
    Status.PARTIAL: "PARTIALLY_FILLED",
    Status.FILLED: "FILLED",
    Status.CANCELED: "CANCELLED",
    Status.EXPIRED: "EXPIRED",
    Status.REJECTED: "REJECTED",
}


def _row(order: ListedOrder, state: ListedState, _: int) -> Row:
    return {
        "id": f"clh{order.client_order_id.removeprefix('web_')}",
        "userId": "clh1user00000000000000000",
        "exchangeOrderId": str(order.order_id),
        "clientOrderId": order.client_order_id,
        "symbol": "/".join(base_and_quote(order.symbol)),
        "side": order.side,
        "type": "LIMIT",
        "status": PRISMA.word_for(order, state.status),
        "price": number(order.price),
        "quantity": number(order.qty),
        "filledQuantity": number(state.executed_qty),
        "averagePrice": number(state.avg_price),
        "createdAt": naive(order.created_at),
        "updatedAt": naive(order.created_at),
    }


PRISMA = Platform(
    name="prisma",
    table='"Order"',
    external_id="exchangeOrderId",
    row=_row,
    words=WORDS,
    truth="""SELECT replace("symbol", '/', ''), "exchangeOrderId", "status"::text,"""
    """ "filledQuantity", "averagePrice" FROM "Order" """,
)
