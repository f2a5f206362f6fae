"""How long a single sweep bears with what stands in its way."""

import time
from collections.abc import Callable
from datetime import timedelta


class StallTimeout:
    """Lasts for `limit` from the first thing that goes wrong, and anew from each that goes well.

    Waiting for nothing but the rate limit does not wear it out. Without a limit it never ends.
    """

    def __init__(
        self, limit: timedelta | None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._worn_since: float | None = None

    def renew(self) -> None:
        """Take note that something went well."""
        self._worn_since = None

    def is_over(self, retry_after_seconds: float = 0.0) -> bool:
        """Take note that something went wrong; say if waiting so much longer is too long."""
        now = self._monotonic()
        if self._worn_since is None:
            self._worn_since = now
        worn_seconds = now - self._worn_since + retry_after_seconds
        return self._limit is not None and worn_seconds > self._limit.total_seconds()
