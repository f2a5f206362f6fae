"""The distribution of delays, in little memory however many there are: pure."""

from collections import Counter
from math import ceil, log

STEP = 1.05
"""A bucket ends this many times later than it begins."""

SHORTEST_SECONDS = 0.01


class Delays:
    """Counts delays in buckets: the longest is exact, a quantile to within half a bucket."""

    def __init__(self) -> None:
        self.count = 0
        self.longest_seconds: float | None = None
        self._buckets = Counter[int]()

    def add(self, seconds: float) -> None:
        """Add a delay."""
        self.count += 1
        self.longest_seconds = max(seconds, self.longest_seconds or 0.0)
        self._buckets[round(log(max(seconds, SHORTEST_SECONDS)) / log(STEP))] += 1

    def quantile(self, share: float) -> float | None:
        """Return the delay that `share` of all do not exceed; None if there is none."""
        if self.longest_seconds is None:
            return None
        left = max(1, ceil(self.count * share))
        for bucket, count in sorted(self._buckets.items()):
            left -= count
            if left <= 0:
                return min(STEP**bucket, self.longest_seconds)
        return self.longest_seconds
