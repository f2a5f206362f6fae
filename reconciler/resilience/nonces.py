"""Numbers that only grow for a key: some exchanges refuse a request whose nonce is not the highest.

The nonce of a request is the time in milliseconds, or one more than the last nonce if that is
higher. So it grows when the clock stands still or is set back. Each is from a *range* that was
reserved before, where all processes see it and where it outlives them (the database): after a
crash, nonces go on above everything that may have been used.

One request of a key is in flight at a time, its *turn*: two that are sent at once may overtake each
other on the way.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from reconciler.errors import ClockSkew

RANGE = 30_000
"""Nonces that are reserved at once: half a minute of milliseconds."""

Reserve = Callable[[int, int], Awaitable[int]]
"""Reserves a number of nonces from a least one on: (least, count) -> the first one."""


class Nonces(Protocol):
    """The nonces of one key, from a source that all processes of a host share."""

    def turn(self) -> AbstractAsyncContextManager[int]:
        """Wait for this key's turn; give a nonce greater than every earlier one of this host.

        The turn ends with the block: until then no other request of this key is sent, so that none
        overtakes one of a smaller nonce. A block that ends with `ClockSkew` had a nonce that the
        exchange has refused: the next is from a new range. Entering it raises `NotSent` if this
        worker is shutting down.
        """
        ...


def now_ms() -> int:
    """Return the time in milliseconds."""
    return time.time_ns() // 1_000_000


class NonceRange:
    """The nonces that are reserved, and the last that was used. Pure but for its clock.

    Guarantees: `take` gives numbers that only grow, and none that was not reserved before.
    """

    def __init__(self, clock_ms: Callable[[], int] = now_ms) -> None:
        self._clock_ms = clock_ms
        self._last = 0
        self._end = 0
        self._is_refused = False

    @property
    def least(self) -> int:
        """The least nonce that may be used next, wherever the reserved ones end."""
        return max(self._last + 1, self._clock_ms())

    @property
    def is_low(self) -> bool:
        """True if more should be reserved soon: less than half is left."""
        return self._end - self.least < RANGE // 2

    def take(self) -> int | None:
        """Return the next nonce; None if more must be reserved first."""
        nonce = self.least
        if self._is_refused or nonce >= self._end:
            return None
        self._last = nonce
        return nonce

    def extend(self, first: int, count: int) -> None:
        """Use `count` nonces from `first` on, which were reserved.

        If they do not follow those that are left, somebody else has used the ones in between, and
        what is left would be refused.
        """
        if first != self._end or self._is_refused:
            self._last = max(self._last, first - 1)
        self._end = max(self._end, first + count)
        self._is_refused = False

    def refuse(self) -> None:
        """Record that the exchange knows a higher nonce: go on with a new range only."""
        self._is_refused = True


class LocalNonces:
    """The nonces of a process that no supervisor serves, such as a command."""

    def __init__(
        self, reserve: Reserve | None = None, *, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        """Use ranges from `reserve`. Without it, the clock alone says what is new."""
        self._reserve = reserve
        self._range = NonceRange(clock_ms)
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Give the next nonce, to one request at a time."""
        async with self._lock:
            while (nonce := self._range.take()) is None:
                least = self._range.least
                first = least if self._reserve is None else await self._reserve(least, RANGE)
                self._range.extend(first, RANGE)
            try:
                yield nonce
            except ClockSkew:
                self._range.refuse()
                raise


class NonceTurn:
    """Holds the nonce of the attempt that is being sent. The `Sender` enters it for each."""

    def __init__(self, nonces: Nonces) -> None:
        self._nonces = nonces
        self._nonce: int | None = None

    @property
    def nonce(self) -> int:
        """The nonce of this attempt.

        Raises:
            RuntimeError: the sender did not enter the turn: a bug.
        """
        if self._nonce is None:
            raise RuntimeError("the sender took no nonce before the attempt")
        return self._nonce

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Hold the turn of one attempt, whose nonce is `nonce` meanwhile."""
        async with self._nonces.turn() as nonce:
            self._nonce = nonce
            try:
                yield
            finally:
                self._nonce = None
