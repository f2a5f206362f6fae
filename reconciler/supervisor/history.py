"""The last cycles, and what the last hour came to: for `status` and `health`."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.worker.workload import Cycle, Tally

CYCLES_KEPT = 10
HOUR_SECONDS = 3600.0
SLOT_SECONDS = 60.0


@dataclass(slots=True)
class _Slot:
    """What a minute's cycles came to."""

    began: float
    tally: Tally


class History:
    """Remembers a few cycles as they were, and the sums of an hour minute by minute."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._cycles: deque[Cycle] = deque(maxlen=CYCLES_KEPT)
        self._slots: deque[_Slot] = deque()
        self._last_at: float | None = None

    def add(self, cycle: Cycle) -> None:
        """Take note of a cycle that has just finished."""
        self._last_at = self._monotonic()
        self._cycles.appendleft(cycle)
        if not self._slots or self._last_at - self._slots[-1].began >= SLOT_SECONDS:
            self._slots.append(_Slot(began=self._last_at, tally=Tally()))
        self._slots[-1].tally.add(cycle.tally)

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """The last cycles, the newest first."""
        return tuple(self._cycles)

    @property
    def last_age_seconds(self) -> float | None:
        """How long ago the last cycle finished; None: none has."""
        return None if self._last_at is None else self._monotonic() - self._last_at

    @property
    def last_hour(self) -> Tally:
        """What the last hour's cycles came to."""
        while self._slots and self._slots[0].began < self._monotonic() - HOUR_SECONDS:
            self._slots.popleft()
        total = Tally()
        for slot in self._slots:
            total.add(slot.tally)
        return total
