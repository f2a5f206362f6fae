"""The worker's client of the nonces that the supervisor gives for the whole host."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

from reconciler.errors import ClockSkew, NotSent
from reconciler.worker.messages import FromWorker, NonceRequest, TurnEnded


class NonceClient:
    """Asks for turns, and ends each. Implements `reconciler.resilience.nonces.Nonces`."""

    def __init__(self, send: Callable[[FromWorker], None]) -> None:
        self._send = send
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[int]] = {}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Wait until the supervisor gives a turn; end it with the block.

        Raises:
            NotSent: it was denied, because this worker is shutting down.
        """
        number = next(self._numbers)
        granted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[number] = granted
        is_refused = False
        try:
            self._send(NonceRequest(number))
            yield await granted
        except ClockSkew:
            is_refused = True
            raise
        finally:
            del self._waiting[number]
            self._send(TurnEnded(number, is_refused))

    def grant(self, number: int, nonce: int) -> None:
        """Give the turn to the request that waits; it may have been cancelled meanwhile."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(nonce)

    def deny(self, number: int) -> None:
        """Fail the request that waits under `number` with `NotSent`."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_exception(NotSent("not sent: this worker is shutting down"))
