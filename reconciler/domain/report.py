"""The exchange's answers about one order, in our words."""

from datetime import datetime
from decimal import ROUND_05UP, Context, Decimal

from reconciler.domain.order import Side
from reconciler.domain.status import Status
from reconciler.domain.validation import require_amount, require_aware
from reconciler.domain.value import Value


class Report(Value):
    """The exchange's view of one order.

    Attributes:
        word: The exchange's own word for the status; kept for the audit trail.
        status: Our status for that word; None for a word that this version does not know.
        executed_qty: Filled so far, in base currency; finite and not negative.
        avg_price: Average fill price, unrounded; None or zero if it is not known.
        fetched_at: When the request was sent, by the database's clock: the report is no older.
        quantity: The order's own quantity, in base currency, as amended; None if it is not known.
        is_quote_sized: True if the order was placed for an amount of quote currency: the row's
            `qty` may be that amount.
        changed_at: When the order last changed at the exchange, by the exchange's clock; None if it
            does not say. For the metrics: no decision depends on it.
        side, client_order_id, placed_at: Further values that tell the order from another; None if
            the exchange does not give them.
    """

    symbol: str
    external_order_id: str
    word: str
    status: Status | None
    executed_qty: Decimal
    avg_price: Decimal | None
    fetched_at: datetime
    quantity: Decimal | None = None
    is_quote_sized: bool = False
    side: Side | None = None
    client_order_id: str | None = None
    placed_at: datetime | None = None
    changed_at: datetime | None = None

    def __post_init__(self) -> None:
        require_amount("executed_qty", self.executed_qty)
        require_amount("avg_price", self.avg_price)
        require_amount("quantity", self.quantity)
        require_aware("fetched_at", self.fetched_at)
        require_aware("placed_at", self.placed_at)
        require_aware("changed_at", self.changed_at)


class Absent(Value):
    """The exchange answered that it knows no such order.

    A weak answer: an exchange also gives it for an order placed a second ago, for one past its
    retention horizon, and for every order of another account.
    """

    symbol: str
    external_order_id: str
    fetched_at: datetime

    def __post_init__(self) -> None:
        require_aware("fetched_at", self.fetched_at)


class Archived(Value):
    """The exchange answered that the order ended long ago with nothing executed, but not how.

    A weak answer: exchanges have given it for fresh orders, too.
    """

    symbol: str
    external_order_id: str
    fetched_at: datetime

    def __post_init__(self) -> None:
        require_aware("fetched_at", self.fetched_at)


class OrderFault(Value):
    """The exchange cannot answer for this order: its symbol is unknown, or its id is not an id.

    The fault lies with the order, so it says nothing about the exchange's health and nothing about
    the order's status. `detail` is written for a person.
    """

    symbol: str
    external_order_id: str
    detail: str
    fetched_at: datetime

    def __post_init__(self) -> None:
        require_aware("fetched_at", self.fetched_at)


Answer = Report | Absent | Archived | OrderFault


def average_price(quote: Decimal | None, executed_qty: Decimal) -> Decimal | None:
    """Return cumulative quote / executed quantity, or None if it cannot be known.

    A missing, zero or negative quote means that the exchange does not have it (Binance says so of
    `cummulativeQuoteQty < 0`); it never means that the order was filled for nothing.

    The quotient has up to 40 digits; the last is chosen so that `rounded` gives the same result as
    for the exact quotient. No ambient decimal context changes it.
    """
    if quote is None or not (_is_positive(quote) and _is_positive(executed_qty)):
        return None
    return _DIVISION.divide(quote, executed_qty)


_DIVISION = Context(prec=40, rounding=ROUND_05UP)


def _is_positive(amount: Decimal) -> bool:
    return amount.is_finite() and amount > 0
