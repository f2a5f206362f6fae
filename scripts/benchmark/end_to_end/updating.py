"""The loops' write: the exchange's facts of one order into its row, without a log."""

from decimal import Decimal
from typing import Any

from reconciler.domain.column_scale import DecimalPlaces, rounded
from reconciler.domain.report import average_price
from reconciler.exchanges.binance.constants import STATUSES

_SCALE = DecimalPlaces(8)
STALE = (
    "SELECT id, symbol, external_order_id FROM orders WHERE external_order_id IS NOT NULL"
    " AND status IN ('pending', 'partial', 'new')"
    " AND (last_synced_at IS NULL OR last_synced_at < now() - interval '5 minutes')"
    " ORDER BY last_synced_at NULLS FIRST, id LIMIT %s"
)
UPDATE = (
    "UPDATE orders SET status = %s, executed_qty = %s, avg_price = COALESCE(%s, avg_price),"
    " last_synced_at = now(), updated_at = now() WHERE id = %s"
)


def facts_of(answer: dict[str, Any]) -> tuple[str, Decimal, Decimal | None]:
    """Read status, quantity and average price from Binance's own words."""
    executed = Decimal(answer["executedQty"])
    status = STATUSES[answer["status"]]
    average = average_price(Decimal(answer["cummulativeQuoteQty"]), executed)
    is_partial = executed > 0 and not status.is_terminal
    return (
        "partial" if is_partial else status.value,
        executed,
        None if average is None else rounded(average, _SCALE),
    )
