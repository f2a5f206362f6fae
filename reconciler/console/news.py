"""The number of the newest snapshot, for all who wait for the next one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class News:
    """Wakes every viewer when there is a newer snapshot.

    Belongs to an event loop, except that any thread may `publish`.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_news = asyncio.Event()
        self._number = 0
        self._is_over = False
        self.viewers = 0

    def open(self) -> None:
        """Begin, in the event loop of the viewers."""
        self._loop = asyncio.get_running_loop()

    def publish(self, number: int) -> None:
        """Tell the viewers, from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, number)

    def close(self) -> None:
        """Send all viewers away: from any thread, and from a signal handler."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    async def newer_than(self, number: int) -> int | None:
        """Wait for a snapshot after this one; return its number, or None at the end."""
        while self._number <= number and not self._is_over:
            await self._is_news.wait()
        return None if self._is_over else self._number

    @contextmanager
    def viewing(self) -> Iterator[None]:
        """Count a viewer until the block ends."""
        self.viewers += 1
        try:
            yield
        finally:
            self.viewers -= 1

    def _tell(self, number: int) -> None:
        self._number = number
        self._wake()

    def _end(self) -> None:
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        """Wake those who wait now; those who come later wait for the next event."""
        self._is_news.set()
        self._is_news = asyncio.Event()
