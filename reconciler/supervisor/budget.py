"""The host's rate budget: kept by the parent, asked by the workers over their pipes.

First come, first served across all workers, so that none starves and none has a share that it does
not use. A worker's death or replacement changes nothing of what has been spent, and takes what it
was still waiting for out of the queue.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable

from reconciler.resilience.budget import WeightWindow

Grant = Callable[[], None]


class SharedBudget:
    """Grants weight in the order in which it was asked for, as the window allows."""

    def __init__(self, window: WeightWindow) -> None:
        self._window = window
        self._waiting: deque[tuple[Hashable, int, Grant]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def paused_seconds(self) -> float:
        """How much longer the exchange wants silence."""
        return self._window.paused_seconds

    def request(self, owner: Hashable, weight: int, grant: Grant) -> None:
        """Call `grant` as soon as `weight` may be spent: now, if nobody waits and there is room."""
        self._waiting.append((owner, weight, grant))
        self._serve()

    def withdraw(self, owner: Hashable) -> None:
        """Forget what `owner` waits for: it has died."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting[0] != owner)
        self._serve()

    def pause(self, seconds: float) -> None:
        """Grant nothing for `seconds`."""
        self._window.pause(seconds)

    def observe(self, used_weight: int) -> None:
        """Take note of what the exchange says of the account's use."""
        self._window.observe(used_weight)

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            _, weight, grant = self._waiting[0]
            wait_seconds = self._window.reserve(weight)
            if wait_seconds > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(wait_seconds, self._serve)
                return
            self._waiting.popleft()
            grant()
