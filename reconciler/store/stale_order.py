"""A stale order as the planner reads it, and a worker gets it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from sys import intern
from typing import Any

from reconciler.domain.order import Facts, OrderId
from reconciler.domain.status import BY_VALUE, Status
from reconciler.domain.value import Value, force_setattr

_ZERO = Decimal(0)


class StaleOrder(Value, array_like=True):
    """A stale order as it was when the page was read; flat, because it is sent to a worker.

    A page has up to 20,000 of them: with `Facts` inside, they take longer to make and to send.

    Attributes:
        is_on_hold: It is on hold, and its next attempt is due.
        qty, side, client_order_id: As the application wrote them; None if there is no such column.
        version: The row's `xmin` as text: the row is unchanged exactly if its `xmin` is the same;
            empty if it has none that our role may read.
    """

    id: OrderId
    symbol: str
    external_order_id: str
    status: Status
    executed_qty: Decimal
    avg_price: Decimal | None
    created_at: datetime | None
    is_on_hold: bool
    qty: str | None = None
    side: str | None = None
    client_order_id: str | None = None
    version: str = ""

    @property
    def facts(self) -> Facts:
        """The row's facts."""
        return Facts(status=self.status, executed_qty=self.executed_qty, avg_price=self.avg_price)

    @classmethod
    def share_equal_parts(cls, values: Sequence["StaleOrder"]) -> None:
        """Keep a text that many orders have, and zero, once: it saves 270 bytes an order."""
        texts: dict[str | None, str | None] = {}
        share = texts.setdefault
        for order in values:
            force_setattr(order, "symbol", share(order.symbol, order.symbol))
            force_setattr(order, "side", share(order.side, order.side))
            force_setattr(order, "version", share(order.version, order.version))
            if not order.executed_qty:
                force_setattr(order, "executed_qty", _ZERO)


def read_orders(rows: Iterable[tuple[Any, ...]]) -> tuple[StaleOrder, ...]:
    """Return the rows of `stale_statements.select_page` as orders."""
    return tuple(
        StaleOrder(
            id=id_,
            symbol=intern(symbol or ""),
            external_order_id=external,
            status=BY_VALUE[status],
            executed_qty=executed or _ZERO,
            avg_price=average,
            created_at=None if created_at is None else datetime.fromisoformat(created_at),
            is_on_hold=is_on_hold,
            qty=qty,
            side=None if side is None else intern(side),
            client_order_id=client_order_id,
            version=intern(version),
        )
        for (
            id_,
            symbol,
            external,
            status,
            executed,
            average,
            created_at,
            qty,
            side,
            client_order_id,
            is_on_hold,
            version,
        ) in rows
    )
