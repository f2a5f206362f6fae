"""Fakes of the clock, of sleep and of requests that fail, for tests without waiting."""

import asyncio
from datetime import timedelta

from reconciler.errors import Unavailable
from reconciler.resilience.limits import LimitScope, RateLimit


class FakeClock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Advance the clock, and let other tasks run."""
        self.now += seconds
        await asyncio.sleep(0)


class FakeSleep:
    """Returns at once, and records the seconds."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


class FailingRequest:
    """Raises each error in turn, then answers. With a clock each request takes 25 ms."""

    def __init__(self, *errors: BaseException, clock: FakeClock | None = None) -> None:
        self._clock = clock
        self._errors = iter(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self._clock is not None:
            self._clock.now += 0.025
        for error in self._errors:
            raise error
        return "answer"


def outages(count: int) -> list[Unavailable]:
    """Return errors that a retry may get over, numbered from 1."""
    return [Unavailable(f"outage {number}") for number in range(1, count + 1)]


def weight_limit(per_minute: int) -> tuple[RateLimit, ...]:
    """Return the only limit of a venue that counts weight a minute."""
    limit = RateLimit(
        name="weight", scope=LimitScope.ADDRESS, amount=per_minute, window=timedelta(minutes=1)
    )
    return (limit,)
