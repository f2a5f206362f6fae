"""Orders in every status, as a table has them after a while: what `init` reads a table by."""

from collections.abc import Iterator
from datetime import datetime

from reconciler.domain.status import SOMETHING_EXECUTED, Status
from reconciler.paper.listing import ListedOrder, ListedState

SYMBOLS = ("BTCUSDT", "ETHUSDT", "ETHBTC")
_OF_EACH = 6
_MINUTE_MS = 60_000


def orders_in_every_status(now: datetime) -> Iterator[ListedOrder]:
    """Return orders of several symbols and both sides, as many in each status; the newest first."""
    now_ms = int(now.timestamp() * 1000)
    for number in range(1, _OF_EACH * len(Status) + 1):
        state = _state(list(Status)[number % len(Status)])
        yield ListedOrder(
            symbol=SYMBOLS[number % len(SYMBOLS)],
            order_id=9_007_199_254_740_993 + number,
            row_symbol=SYMBOLS[number % len(SYMBOLS)],
            row_order_id=str(9_007_199_254_740_993 + number),
            client_order_id=f"client-{number}",
            side="BUY" if number % 2 else "SELL",
            qty="1",
            price="100",
            created_at=now_ms - number * _MINUTE_MS,
            seen=state,
            truth=state,
        )


def _state(status: Status) -> ListedState:
    if status not in SOMETHING_EXECUTED:
        return ListedState(status=status, executed_qty="0", avg_price=None)
    executed = "1" if status is Status.FILLED else "0.4"
    return ListedState(status=status, executed_qty=executed, avg_price="100.5")
