"""The last scan of the open orders: a sweep begins with it, and the gauges show it.

A scan reads every open order, which takes half a second for a million. So its share of the time is
bounded: sweeps may use a twentieth of it, and the gauges a hundredth if no sweep begins.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.store.stale import StaleBacklog, StaleScan

PAUSE_FACTOR = 20
"""The next sweep begins no sooner than this many times as long after a scan as the scan took."""

SHORT_SCAN_SECONDS = 0.5
"""A shorter scan delays no sweep: the interval is long enough for it."""

RECENT_FACTOR = 100
RECENT_SECONDS = 5.0
"""A scan is recent enough for the gauges for this long, or for RECENT_FACTOR times its duration."""


@dataclass(frozen=True, slots=True)
class _Timed:
    """A scan, when it ended, and how long it took in seconds."""

    scan: StaleScan
    ended: float
    seconds: float


class BacklogScan:
    """Keeps the last scan; scans again when it is asked to and that is not too soon."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._last: _Timed | None = None

    def begin_sweep(self, scan: Callable[[], StaleScan]) -> StaleScan:
        """Run `scan`; return the last scan if it would be too soon for another one."""
        with self._lock:
            if self._last is not None and self.pause_seconds > 0:
                return self._last.scan
            return self._run(scan)

    def measure(self, scan: Callable[[], StaleScan]) -> tuple[StaleBacklog, float]:
        """Return the backlog that the last scan found, and how many seconds ago.

        Run `scan` if that is too long ago.
        """
        with self._lock:
            if self._last is not None:
                age_seconds = self._monotonic() - self._last.ended
                if age_seconds < max(RECENT_SECONDS, self._last.seconds * RECENT_FACTOR):
                    return self._last.scan.backlog, age_seconds
            return self._run(scan).backlog, 0.0

    @property
    def pause_seconds(self) -> float:
        """How many seconds from now the next sweep may begin; 0 if at once."""
        if self._last is None or self._last.seconds < SHORT_SCAN_SECONDS:
            return 0.0
        return max(0.0, self._last.ended + self._last.seconds * PAUSE_FACTOR - self._monotonic())

    def _run(self, scan: Callable[[], StaleScan]) -> StaleScan:
        began = self._monotonic()
        found = scan()
        ended = self._monotonic()
        self._last = _Timed(found, ended, ended - began)
        return found
