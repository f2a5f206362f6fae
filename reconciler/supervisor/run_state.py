"""The stop state of a supervisor, kept once, and the waits that a stop ends.

The supervisor requests the stop; its coordinator and its worker pool read it here.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class RunState:
    """The stop state, and a wake-up for all that wait."""

    def __init__(self) -> None:
        self.is_stopping = False
        """True from the request on: nothing is planned, assigned or restarted any more."""
        self.is_fast_stop = False
        """True if the stop waits for no worker."""
        self._changed = asyncio.Event()

    def stop(self) -> None:
        """Request the stop."""
        self.is_stopping = True
        self.notify()

    def notify(self) -> None:
        """Make all that wait check their condition again."""
        self._changed.set()

    async def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until a condition holds, whether stopping or not."""
        while not is_so():
            self._changed.clear()
            await self._changed.wait()

    async def wait_unless_stopping(self, is_so: Callable[[], bool]) -> None:
        """Wait until a condition holds, or until the stop."""
        await self.wait_for(lambda: is_so() or self.is_stopping)

    async def result_unless_stopping(self, work: asyncio.Future[T]) -> T | None:
        """Return the result of `work`; None if the stop comes first: then `work` is cancelled."""
        work.add_done_callback(lambda _: self.notify())
        await self.wait_unless_stopping(work.done)
        if work.done():
            return work.result()
        work.cancel()
        return None

    async def sleep(self, seconds: float) -> None:
        """Sleep, but not past the stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait_unless_stopping(lambda: False)
