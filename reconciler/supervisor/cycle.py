"""One page on its way through the workers: what is out, and what came back."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from reconciler.worker.workload import Cycle, Tally


class OpenCycle:
    """A cycle that is not finished: counts the items that are still queued or in hand."""

    def __init__(self, items: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._items_left = items
        self._tally = Tally()
        self._monotonic = monotonic
        self._started = monotonic()
        self._started_at = datetime.now(UTC)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is queued or in hand."""
        return self._items_left <= 0

    def count(self, tally: Tally, *, finished_items: int) -> None:
        """Add what came of a batch; `finished_items` will not come back."""
        self._tally.add(tally)
        self._items_left -= finished_items

    def finish(self) -> Cycle:
        """Return the record of it."""
        duration = self._monotonic() - self._started
        return Cycle(
            started_at=self._started_at,
            finished_at=max(self._started_at, datetime.now(UTC)),
            duration_ms=round(duration * 1000),
            tally=self._tally,
        )
