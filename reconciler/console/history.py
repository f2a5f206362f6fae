"""What the poller saw since it started, of the last hour: bounded."""

from collections import deque
from collections.abc import Iterator
from itertools import dropwhile
from typing import NamedTuple

HOUR_SECONDS = 3600.0


class Point(NamedTuple):
    """What was known at one moment; None for what was not.

    Attributes:
        at: Seconds since the epoch.
        backlog: Stale orders.
        oldest_seconds: How long the oldest of them has not been synced; None if none is stale.
    """

    at: float
    backlog: int | None
    oldest_seconds: float | None


class History:
    """The points of the last hour, the oldest first."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque()

    def add(self, point: Point) -> None:
        """Add the newest point."""
        while self._points and self._points[0].at < point.at - HOUR_SECONDS:
            self._points.popleft()
        self._points.append(point)

    def after(self, at: float) -> Iterator[Point]:
        """Return the points after a moment."""
        return dropwhile(lambda point: point.at <= at, list(self._points))
