"""The permission to send requests: a worker or a command asks before each, and waits.

How much may be sent is decided by `reconciler.resilience.rate_limits`: in the supervisor for all
its workers, or by `LocalBudget` in a command that talks to the exchange by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from reconciler.resilience.limits import Cost, LimitReading
from reconciler.resilience.rate_limits import RateLimits

MAX_RATE_LIMIT_PAUSE = timedelta(days=3)
"""The longest ban that an exchange documents (Binance). A longer pause is a mistake."""


class Budget(Protocol):
    """Permission to send requests."""

    async def take(self, cost: Cost) -> None:
        """Wait until `cost` may be spent, and count it as spent.

        Raises:
            NotSent: this worker is shutting down, and must not send the request.
        """
        ...

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Report how the request of the last `take` in this task has ended, after any `pause`.

        `is_alive` is True if the request was answered, and not with a failure of the exchange.
        """
        ...

    async def pause(self, seconds: float) -> None:
        """Stop all requests of this host for `seconds`, as the exchange demands."""
        ...

    async def observe(self, reading: LimitReading) -> None:
        """Record what an answer says about one limit, by the exchange's own count."""
        ...


class LocalBudget:
    """A `Budget` of one process, for commands that talk to the exchange without a supervisor.

    First come, first served: light requests do not overtake a heavy one.
    """

    def __init__(
        self,
        limits: RateLimits,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = limits
        self._sleep = sleep
        self._queue_lock = asyncio.Lock()

    async def take(self, cost: Cost) -> None:
        """Wait until `cost` may be spent, and count it as spent."""
        async with self._queue_lock:
            while wait_seconds := self._limits.reserve(cost):
                await self._sleep(wait_seconds)

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Do nothing, because no other process waits for a probe."""

    async def pause(self, seconds: float) -> None:
        """Stop all requests for `seconds`."""
        self._limits.pause(seconds)

    async def observe(self, reading: LimitReading) -> None:
        """Record what an answer says about one limit, by the exchange's own count."""
        self._limits.observe(reading)
