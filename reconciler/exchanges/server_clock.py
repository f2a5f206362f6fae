"""How far the exchange's clock is ahead of ours: asked once, and again if it was wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from reconciler.errors import Unavailable

MAX_CLOCK_OFFSET = timedelta(hours=12)
"""If the clocks differ by more, one of them is wrong or set to another time zone."""

MAX_TIME_MS = 253_402_300_800_000
"""The end of the year 9999, where `datetime` ends."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class ServerClock:
    """The offset of the exchange's clock, which all requests of one account share."""

    def __init__(self, measure: Callable[[], Awaitable[timedelta]]) -> None:
        """`measure` asks the exchange for its time and returns the offset."""
        self._measure = measure
        self._offset: timedelta | None = None
        self._lock = asyncio.Lock()

    async def offset(self) -> timedelta:
        """Return how far the exchange's clock is ahead of ours; ask once, then remember it.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        async with self._lock:
            if self._offset is None:
                self._offset = await self._measure()
            return self._offset

    def forget(self, refused: timedelta | None) -> None:
        """Forget the refused offset, unless another request has already replaced it."""
        if self._offset is refused:
            self._offset = None


def offset_of(server_time_ms: int, now: datetime) -> timedelta:
    """Return how far the exchange's clock is ahead of `now`.

    Raises:
        Unavailable: the difference is larger than any clock error.
    """
    if not 0 <= server_time_ms < MAX_TIME_MS:
        raise Unavailable(f"the exchange says that its time is {server_time_ms} ms since 1970")
    server_time = _EPOCH + server_time_ms * _MILLISECOND
    if abs(server_time - now) > MAX_CLOCK_OFFSET:
        raise Unavailable(
            f"the exchange says that it is {server_time:%Y-%m-%d %H:%M} UTC, and our clock says"
            f" {now:%Y-%m-%d %H:%M}: correct whichever is wrong"
            " (ours is the database server's clock)"
        )
    return server_time - now


def milliseconds(moment: datetime) -> int:
    """Return the whole milliseconds from 1970 to `moment`, rounded down: a request's timestamp."""
    return (moment - _EPOCH) // _MILLISECOND
