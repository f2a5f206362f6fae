"""The planner of a shadow: it leaves out what a run that writes would not ask about now.

No look is written, so the database finds all open orders stale that the application does not sync
by itself, and each sweep reads all of them. So a sweep begins no sooner than `PAUSE_FACTOR` times
as long after the last one as its reading took.
"""

import time
from collections.abc import Hashable
from dataclasses import replace
from itertools import chain

from reconciler.domain.decide import HoldReason
from reconciler.orders.backlog_scan import PAUSE_FACTOR, SHORT_SCAN_SECONDS
from reconciler.orders.chunking import chunk_orders
from reconciler.orders.dry_run import DryRunPlanner
from reconciler.orders.dry_run_notes import DryRunNotes, WouldHold
from reconciler.orders.planner import OrderPlanner
from reconciler.orders.shadow.follower import Follower
from reconciler.orders.shadow.state import Shadow
from reconciler.workload import Backlog, Chunk, Page


class ShadowPlanner(DryRunPlanner):
    """Reads pages without the orders that rest, and keeps the halt in memory."""

    def __init__(self, planner: OrderPlanner, shadow: Shadow, follower: Follower) -> None:
        """Prepare; the planner closes the follower at its end."""
        super().__init__(planner, shadow.take)
        self._shadow = shadow
        self._follower = follower
        self._reading_seconds = 0.0

    def plan(self, limit: int, after: Hashable | None) -> Page:
        """Read a page; leave out what was looked at lately, would be on hold, or would have ended.

        A sweep begins with `after` None.
        """
        began = time.monotonic()
        if after is None:
            self._reading_seconds = 0.0
            self._shadow.begin_sweep(self._stale_after)
        page = super().plan(limit, after)
        orders = chain.from_iterable(chunk.items for chunk in page.chunks)
        left = self._shadow.without_resting(orders, self._stale_after)
        self._reading_seconds += time.monotonic() - began
        return replace(
            page,
            chunks=chunk_orders(left, self._planner.venue),
            pause_seconds=max(page.pause_seconds, self._pause_seconds),
        )

    def measure_backlog(self) -> Backlog:
        """Count the stale orders, without those that rest; their ages are the application's."""
        backlog = super().measure_backlog()
        return replace(backlog, items=max(0, backlog.items - self._shadow.resting_orders()))

    def last_hour(self) -> None:
        """Return no record: only this supervisor's own cycles count, and it keeps them itself."""
        return

    def set_aside(self, chunk: Chunk) -> None:
        """Count orders that would be on hold because they crash workers, and let them rest."""
        holds = [
            WouldHold(order_id=order.id, reason=HoldReason.CRASHED_WORKER) for order in chunk.items
        ]
        self._shadow.take(DryRunNotes(holds=holds))

    def read_halt(self) -> str | None:
        """Return the halt that this shadow would have applied; the database's is for writes."""
        return self._shadow.halt

    def write_halt(self, reason: str | None) -> None:
        """Keep the halt, or its release, in memory."""
        self._shadow.halt = reason

    def close(self) -> None:
        """Close the connections."""
        self._follower.close()
        super().close()

    @property
    def _pause_seconds(self) -> float:
        is_short = self._reading_seconds < SHORT_SCAN_SECONDS
        return 0.0 if is_short else self._reading_seconds * PAUSE_FACTOR

    @property
    def _stale_after(self) -> float:
        return self._planner.stale.stale_after.total_seconds()
