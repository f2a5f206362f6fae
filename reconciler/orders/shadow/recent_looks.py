"""The orders that were looked at lately: what `last_synced_at` is to a run that writes. Pure."""

from collections.abc import Iterable
from itertools import takewhile

from reconciler.domain.order import OrderId

MAX_ORDERS = 1_000_000
"""The number of orders remembered: up to 155 MB. Others are asked about in every sweep."""


class RecentLooks:
    """The time of the last look at each order, the oldest first."""

    def __init__(self, max_orders: int = MAX_ORDERS) -> None:
        self._max_orders = max_orders
        self._looks: dict[OrderId, float] = {}
        self.overflowed = 0
        """Looks that were not remembered, because there was no room."""

    def __len__(self) -> int:
        return len(self._looks)

    def add(self, ids: Iterable[OrderId], now: float) -> None:
        """Remember a look at each order."""
        for id_ in ids:
            self._looks.pop(id_, None)
            if len(self._looks) < self._max_orders:
                self._looks[id_] = now
            else:
                self.overflowed += 1

    def has(self, id_: OrderId, since: float) -> bool:
        """Return True if the order was looked at since then."""
        return self._looks.get(id_, since) > since

    def forget_before(self, moment: float) -> None:
        """Forget older looks: also those at orders that have ended meanwhile."""
        # They are in the order of their times.
        for id_, _ in list(takewhile(lambda look: look[1] <= moment, self._looks.items())):
            del self._looks[id_]
