"""The supervisor's stop flag, and waits that a stop interrupts.

The supervisor requests the stop; its coordinator and its worker pool read the flag here.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class StopState:
    """The stop flag, and a wake-up for every coroutine that waits for a condition."""

    def __init__(self) -> None:
        self.is_stopping = False
        """True from the request on. Nothing is planned, assigned or restarted any more."""
        self.is_fast_stop = False
        """True if the stop does not wait for the workers to finish."""
        self._changed = asyncio.Event()

    def stop(self) -> None:
        """Request the stop."""
        self.is_stopping = True
        self.notify()

    def notify(self) -> None:
        """Make every waiting coroutine check its condition again."""
        self._changed.set()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, whether stopping or not."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def wait_unless_stopping(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds or a stop is requested."""
        await self.wait_for(lambda: condition() or self.is_stopping)

    async def result_unless_stopping(self, work: asyncio.Future[T]) -> T | None:
        """Return the result of `work`. If a stop comes first, cancel `work` and return None."""
        work.add_done_callback(lambda _: self.notify())
        await self.wait_unless_stopping(work.done)
        if work.done():
            return work.result()
        work.cancel()
        return None

    async def sleep(self, seconds: float) -> None:
        """Sleep; return early when a stop is requested."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait_unless_stopping(lambda: False)
