"""The last cycles, and the counts of the last hour: for `status` and `health`.

All hosts write the record in the database, which outlives this supervisor, and the counts are read
from it. Cycles that are not written yet are added from memory. While the database is unavailable,
the record counts as it was last read, but for no longer than an hour.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import count

from reconciler.telemetry.health import LastHour
from reconciler.workload import Cycle, Planner

CYCLES_KEPT = 10
HOUR_SECONDS = 3600.0
EMPTY_CYCLE_SECONDS = 1.0
"""While nothing is stale, a cycle is recorded at most this often, however short the interval."""

MOST_UNWRITTEN = 10_000
"""Cycles kept while the database is unavailable; few finish meanwhile."""


@dataclass(frozen=True, slots=True)
class _Finished:
    """A cycle that finished here, and its end by the monotonic clock."""

    number: int
    cycle: Cycle
    at: float


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The record as read, the time of reading, and the last of our cycles that it had then."""

    hour: LastHour
    at: float
    up_to: int


class CycleHistory:
    """Keeps this supervisor's last cycles, and the record's counts of the last hour."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._cycles: deque[Cycle] = deque(maxlen=CYCLES_KEPT)
        self._numbers = count(1)
        self._finished: deque[_Finished] = deque(maxlen=MOST_UNWRITTEN)
        """The cycles that the record as read does not have, the oldest first."""
        self._written_up_to = 0
        self._recorded: _Recorded | None = None
        self._last_at: float | None = None
        self._is_known = asyncio.Event()

    def add(self, cycle: Cycle) -> None:
        """Add a cycle that has just finished."""
        self._last_at = self._monotonic()
        self._cycles.appendleft(cycle)
        while self._finished and self._is_past(self._finished[0]):
            self._finished.popleft()
        self._finished.append(_Finished(next(self._numbers), cycle, self._last_at))

    def write(self, planner: Planner) -> None:
        """Write the cycles that are not written yet, then read the record. Called from a thread.

        Raises:
            StoreUnavailable: try again later; nothing is lost meanwhile.
        """
        for finished in list(self._finished):
            if finished.number > self._written_up_to:
                planner.record(finished.cycle)
                self._written_up_to = finished.number
        hour = planner.last_hour()
        if hour is not None:
            self._recorded = _Recorded(hour, self._monotonic(), self._written_up_to)

    def mark_known(self) -> None:
        """Record that the last hour is known: the database has been read once."""
        self._is_known.set()

    async def wait_until_known(self) -> None:
        """Wait until the last hour is known."""
        await self._is_known.wait()

    @property
    def is_due(self) -> bool:
        """True if the last cycle is long enough ago to record an empty one."""
        return self._last_at is None or self._monotonic() - self._last_at >= EMPTY_CYCLE_SECONDS

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """The last cycles, the newest first."""
        return tuple(self._cycles)

    @property
    def last_hour(self) -> LastHour:
        """The counts of the last hour's cycles, and how long ago the last one was."""
        rest = [finished.cycle for finished in self._finished if not self._is_counted(finished)]
        hour = _with(self._hour_as_recorded(), rest)
        if self._last_at is None:
            return hour
        own_age, recorded_age = self._monotonic() - self._last_at, hour.last_run_age_seconds
        if recorded_age is not None and recorded_age < own_age:
            return hour  # Another host has finished one since.
        return replace(
            hour,
            last_run_age_seconds=own_age,
            last_duration_ms=self._cycles[0].duration_ms,
        )

    def _hour_as_recorded(self) -> LastHour:
        if self._recorded is None:
            return LastHour()
        hour, passed = self._recorded.hour, self._monotonic() - self._recorded.at
        if hour.last_run_age_seconds is not None:
            hour = replace(hour, last_run_age_seconds=hour.last_run_age_seconds + passed)
        if passed <= HOUR_SECONDS:
            return hour
        return replace(
            hour,
            scanned=0,
            discrepancies=0,
            errors=0,
            weight=0,
            slowest_duration_ms=None,
            first_sync_scanned=0,
            first_sync_discrepancies=0,
        )

    def _is_past(self, finished: _Finished) -> bool:
        """Return True if a cycle is recorded or too old, and need not be kept."""
        return finished.number <= self._written_up_to and self._is_counted(finished)

    def _is_counted(self, finished: _Finished) -> bool:
        """Return True if the record as read has the cycle, or it is older than an hour."""
        has_it = self._recorded is not None and finished.number <= self._recorded.up_to
        return has_it or finished.at < self._monotonic() - HOUR_SECONDS


def _with(hour: LastHour, cycles: Iterable[Cycle]) -> LastHour:
    """Add cycles to the record's hour."""
    for cycle in cycles:
        counts = cycle.counts
        hour = replace(
            hour,
            scanned=hour.scanned + counts.scanned,
            discrepancies=hour.discrepancies + counts.discrepancies,
            errors=hour.errors + counts.errors,
            weight=hour.weight + counts.weight,
            slowest_duration_ms=max(hour.slowest_duration_ms or 0, cycle.duration_ms),
            first_sync_scanned=hour.first_sync_scanned + counts.scanned * hour.is_first_sync,
            first_sync_discrepancies=(
                hour.first_sync_discrepancies + counts.discrepancies * hour.is_first_sync
            ),
        )
    return hour
