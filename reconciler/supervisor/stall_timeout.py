"""The time after which a supervisor that runs once gives up, if it has nothing but faults."""

import time
from collections.abc import Callable
from datetime import timedelta


class StallTimeout:
    """A timeout that starts at the first fault after a success. Without a limit it never ends.

    Waiting for the rate budget alone is no fault.
    """

    def __init__(
        self, limit: timedelta | None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._stalled_since: float | None = None

    def record_success(self) -> None:
        """Record that something was done."""
        self._stalled_since = None

    def record_fault(self, retry_after_seconds: float = 0.0) -> bool:
        """Record a fault; return True if waiting for another try would exceed the timeout."""
        now = self._monotonic()
        if self._stalled_since is None:
            self._stalled_since = now
        stalled_seconds = now - self._stalled_since + retry_after_seconds
        return self._limit is not None and stalled_seconds > self._limit.total_seconds()
