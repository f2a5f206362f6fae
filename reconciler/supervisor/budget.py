"""The host's rate budget: kept by the parent, asked by the workers over their pipes.

The workers that wait are served in turn, so that none starves however much another asks for, and
what one does not use the others have. A worker's death or replacement changes nothing of what has
been spent, and takes what it was still waiting for out of the queue.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

from reconciler.resilience.budget import WeightWindow

Grant = Callable[[], None]


class SharedBudget:
    """Grants weight to its owners in turn, as the window allows."""

    def __init__(self, window: WeightWindow) -> None:
        self._window = window
        self._waiting: OrderedDict[Hashable, deque[tuple[int, Grant]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def paused_seconds(self) -> float:
        """How much longer the exchange wants silence."""
        return self._window.paused_seconds

    def request(self, owner: Hashable, weight: int, grant: Grant) -> None:
        """Call `grant` as soon as `weight` may be spent and it is the owner's turn."""
        self._waiting.setdefault(owner, deque()).append((weight, grant))
        self._serve()

    def withdraw(self, owner: Hashable) -> None:
        """Forget what `owner` waits for: it has died."""
        self._waiting.pop(owner, None)
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
            owner, requests = next(iter(self._waiting.items()))
            weight, grant = requests[0]
            wait_seconds = self._window.reserve(weight)
            if wait_seconds > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(wait_seconds, self._serve)
                return
            requests.popleft()
            self._waiting.move_to_end(owner)
            if not requests:
                del self._waiting[owner]
            grant()
