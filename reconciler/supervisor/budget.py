"""The host's rate budget, kept by the supervisor; the workers request weight over their pipes.

Waiting workers are served in turn, so that none starves however much another requests, and what one
does not use the others get. When a worker dies or is replaced, what was spent stays spent, and what
it was waiting for leaves the queue.

After a rate-limit pause one request goes first, and the others follow when it is answered: one of
each worker at once would cause the next pause. A worker that is to end does not wait: what cannot
be granted at once is denied. Once the budget is closed, everything is denied.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from enum import StrEnum

from reconciler.resilience.budget import WeightWindow

FIRST_TIMEOUT_SECONDS = 15.0
"""When a first request without an answer counts as lost: it ends within 10 s."""


class Reply(StrEnum):
    """The reply to a request for weight."""

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
        self._not_waiting: set[Hashable] = set()
        self._is_closed = False

    @property
    def paused_seconds(self) -> float:
        """How much longer the rate-limit pause lasts."""
        return self._window.paused_seconds

    def request(self, owner: Hashable, weight: int, reply: OnReply) -> None:
        """Reply when it is the owner's turn and `weight` may be spent, or when it is denied."""
        if self._is_closed:
            reply(Reply.DENIED)
            return
        self._waiting.setdefault(owner, deque()).append((weight, reply))
        self._serve()
        if owner in self._not_waiting:
            self._deny(owner)

    def withdraw(self, owner: Hashable) -> None:
        """Forget what `owner` waits for: it has ended."""
        self._waiting.pop(owner, None)
        self._not_waiting.discard(owner)
        if self._first == owner:
            self._forget_first()
        self._serve()

    def deny_waits(self, owner: Hashable) -> None:
        """Deny `owner` what cannot be granted at once, from now on: it is to end."""
        self._not_waiting.add(owner)
        self._deny(owner)
        self._serve()

    def close(self) -> None:
        """Deny everything from now on: all workers are to end."""
        self._is_closed = True
        for owner in list(self._waiting):
            self._deny(owner)

    def pause(self, seconds: float) -> None:
        """Grant nothing for `seconds`, then one request first."""
        self._window.pause(seconds)

    def try_first(self) -> None:
        """Grant one request first, as after a pause."""
        self._window.require_probe()

    def record_answer(self, owner: Hashable, *, is_alive: bool) -> None:
        """Record the end of the first request; grant the others if the exchange answered it."""
        if self._first != owner:
            return
        self._forget_first()
        if is_alive and not self._window.paused_seconds:
            self._window.clear_probe()
        self._serve()

    def observe(self, used_weight: int) -> None:
        """Record the account's used weight, as the exchange reports it."""
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
                self._begin_first(owner)
                reply(Reply.GRANTED_FIRST)
            else:
                reply(Reply.GRANTED)

    def _begin_first(self, owner: Hashable) -> None:
        loop = asyncio.get_running_loop()
        self._first = owner
        self._first_timer = loop.call_later(FIRST_TIMEOUT_SECONDS, self._give_up_first)

    def _give_up_first(self) -> None:
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
