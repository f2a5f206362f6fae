"""The host's rate budget: kept by the parent, asked by the workers over their pipes.

The workers that wait are served in turn, so that none starves however much another asks for, and
what one does not use the others have. A worker's death or replacement changes nothing of what has
been spent, and takes what it was still waiting for out of the queue.

After a pause one request goes first, and the rest follow when it was answered: as many at once as
there are workers would earn the next pause. A worker that is to end waits for nothing: what cannot
be granted at once is denied; once the budget is closed, everything is.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from enum import StrEnum

from reconciler.resilience.budget import WeightWindow

FIRST_SECONDS = 15.0
"""How long a first request may be silent before it is taken for lost: it ends within 10 s."""


class Reply(StrEnum):
    """What a request for weight is answered with."""

    GRANTED = "granted"
    GRANTED_FIRST = "granted_first"
    DENIED = "denied"


OnReply = Callable[[Reply], None]


class SharedBudget:
    """Grants weight to its owners in turn, as the window allows."""

    def __init__(self, window: WeightWindow) -> None:
        self._window = window
        self._waiting: OrderedDict[Hashable, deque[tuple[int, OnReply]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._first: Hashable | None = None
        self._first_timer: asyncio.TimerHandle | None = None
        self._hurried: set[Hashable] = set()
        self._is_closed = False

    @property
    def paused_seconds(self) -> float:
        """How much longer the exchange wants silence."""
        return self._window.paused_seconds

    def request(self, owner: Hashable, weight: int, reply: OnReply) -> None:
        """Reply as soon as `weight` may be spent and it is the owner's turn, or will not be."""
        if self._is_closed:
            reply(Reply.DENIED)
            return
        self._waiting.setdefault(owner, deque()).append((weight, reply))
        self._serve()
        if owner in self._hurried:
            self._deny(owner)

    def withdraw(self, owner: Hashable) -> None:
        """Forget what `owner` waits for: it has ended."""
        self._waiting.pop(owner, None)
        self._hurried.discard(owner)
        if self._first == owner:
            self._forget_first()
        self._serve()

    def hurry(self, owner: Hashable) -> None:
        """Let `owner` wait for nothing from now on: it is to end."""
        self._hurried.add(owner)
        self._deny(owner)
        self._serve()

    def close(self) -> None:
        """Grant nothing any more: all are to end."""
        self._is_closed = True
        for owner in list(self._waiting):
            self._deny(owner)

    def pause(self, seconds: float) -> None:
        """Grant nothing for `seconds`, and then one request first."""
        self._window.pause(seconds)

    def try_first(self) -> None:
        """Let one request go first, as after a pause."""
        self._window.require_probe()

    def record_answer(self, owner: Hashable, *, is_alive: bool) -> None:
        """Record that the request that went first has ended; let the rest follow if it may."""
        if self._first != owner:
            return
        self._forget_first()
        if is_alive and not self._window.paused_seconds:
            self._window.clear_probe()
        self._serve()

    def observe(self, used_weight: int) -> None:
        """Take note of what the exchange says of the account's use."""
        self._window.observe(used_weight)

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._first is None:
            owner, requests = next(iter(self._waiting.items()))
            weight, reply = requests[0]
            wait_seconds = self._window.reserve(weight)
            if wait_seconds > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(wait_seconds, self._serve)
                return
            requests.popleft()
            self._waiting.move_to_end(owner)
            if not requests:
                del self._waiting[owner]
            if self._window.needs_probe:
                self._let_go_first(owner)
                reply(Reply.GRANTED_FIRST)
            else:
                reply(Reply.GRANTED)

    def _let_go_first(self, owner: Hashable) -> None:
        loop = asyncio.get_running_loop()
        self._first = owner
        self._first_timer = loop.call_later(FIRST_SECONDS, self._lose_first)

    def _lose_first(self) -> None:
        self._forget_first()
        self._serve()

    def _forget_first(self) -> None:
        self._first = None
        if self._first_timer is not None:
            self._first_timer.cancel()
            self._first_timer = None

    def _deny(self, owner: Hashable) -> None:
        for _, reply in self._waiting.pop(owner, ()):
            reply(Reply.DENIED)
