"""Fakes of what an adapter is given: a sender, a budget and nonces without limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TypeVar

from reconciler.exchanges.request_policy import Turn
from reconciler.resilience.limits import Cost, LimitReading, weight_of

T = TypeVar("T")


class DirectSender:
    """Sends every request once, and records what it costs."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []

    async def call(
        self,
        cost: Cost,
        send: Callable[[], Awaitable[T]],
        *,
        turn: Turn | None = None,
        **_: object,
    ) -> T:
        """Send in the turn of a nonce, if one is wanted."""
        assert all(amount > 0 for amount in cost.values())
        self.costs.append(cost)
        async with nullcontext() if turn is None else turn():
            return await send()

    @property
    def weights(self) -> list[int]:
        """The weight of each request."""
        return [weight_of(cost) for cost in self.costs]


class UnlimitedBudget:
    """Limits nothing."""

    async def take(self, cost: Cost) -> None:
        """Grant it at once."""

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Forget it."""

    async def pause(self, seconds: float) -> None:
        """Go on."""

    async def observe(self, reading: LimitReading) -> None:
        """Forget it."""


class RecordingBudget(UnlimitedBudget):
    """Limits nothing, and records what answers say about limits."""

    def __init__(self) -> None:
        self.readings: list[LimitReading] = []

    async def observe(self, reading: LimitReading) -> None:
        """Keep the reading."""
        self.readings.append(reading)


class GrowingNonces:
    """Gives 1, 2, 3 ..., one at a time."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Give the next number; others wait until it was used."""
        async with self._lock:
            self._last += 1
            yield self._last
