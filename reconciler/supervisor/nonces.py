"""The turns of a key's nonces, given by the supervisor to all workers of a host.

    worker       NonceRequest                  TurnEnded
    supervisor                 NonceGrant                  the next one

One turn is given at a time, in the order of the requests. Within its turn the worker asks for the
rate budget, so that nothing is spent while it waits for the turn; it ends the turn when its attempt
has ended, or dies. Nonces come from ranges that the database has reserved before they are used;
while it is away, turns wait. Nothing here counts as a failure of the exchange.

What may go wrong, and what happens then:
1. A worker dies during its turn. Its request may still be on the way, and a greater nonce must not
   arrive before: the next turn is given after `LOST_REQUEST_SECONDS`.
2. A worker does not end its turn, though it lives and does not wait for the budget: the turn is
   given up after `TURN_SECONDS`.
3. The exchange refuses a nonce, because a command or another program has used a greater one: the
   next turn is from a range that nobody has used. If that is refused too, another program uses this
   key, and nonces go on one by one.
4. This process dies, or its clock is set back: the ranges of the next are above all earlier ones.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial

import structlog

from reconciler.resilience.nonces import RANGE, NonceRange, now_ms
from reconciler.workload import Planner

LOST_REQUEST_SECONDS = 1.0
"""A request that was on its way when its sender died has arrived after this time."""

TURN_SECONDS = 60.0
"""A turn is given up after this time without a wait for the budget, which may take longer.

An attempt takes at most 10 s, and a hung worker is killed.
"""

RETRY_SECONDS = 2.0
"""While the database is away, a reservation is tried again after this."""

OnNonce = Callable[[int | None], None]
"""Called with the nonce of the turn; with None if the request is denied."""

log = structlog.get_logger(__name__)

_Turn = tuple[Hashable, int]


class SharedNonces:
    """Gives one turn after another to its owners."""

    def __init__(
        self,
        *,
        write_in_background: Callable[[Callable[[Planner], None]], None],
        waits_for_budget: Callable[[Hashable], bool],
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        """Prepare. `write_in_background` runs a database write in a thread.

        `waits_for_budget` tells of an owner whether a request of it waits for the rate budget.
        """
        self._write_in_background = write_in_background
        self._waits_for_budget = waits_for_budget
        self._range = NonceRange(clock_ms)
        self._waiting: OrderedDict[_Turn, OnNonce] = OrderedDict()
        self._current: _Turn | None = None
        self._has_waited = False
        self._timer: asyncio.TimerHandle | None = None
        self._is_reserving = False
        self._was_refused = False
        self._shutting_down: set[Hashable] = set()
        self._is_closed = False

    def request(self, owner: Hashable, number: int, reply: OnNonce) -> None:
        """Reply with a nonce when it is the turn of this request, or with None if it is denied."""
        if self._is_closed:
            reply(None)
            return
        self._waiting[owner, number] = reply
        self._serve()
        if owner in self._shutting_down:
            self._deny(owner)

    def end_turn(self, owner: Hashable, number: int, *, is_refused: bool = False) -> None:
        """End a turn, or withdraw a request that waits for one.

        `is_refused` is True if the exchange has refused the nonce.
        """
        self._waiting.pop((owner, number), None)
        if self._current != (owner, number):
            return
        if is_refused and not self._was_refused:
            self._range.refuse()
        self._was_refused = is_refused
        self._free()

    def withdraw(self, owner: Hashable) -> None:
        """Remove the requests of an `owner` that has ended, and end its turn if it has one."""
        self._shutting_down.discard(owner)
        for turn in [turn for turn in self._waiting if turn[0] == owner]:
            del self._waiting[turn]
        if self._current is not None and self._current[0] == owner:
            # The turn goes on without its owner: a successor has the same name.
            self._current = (None, self._current[1])
            self._free_after(LOST_REQUEST_SECONDS)

    def stop_waiting(self, owner: Hashable) -> None:
        """Deny the waiting requests of an `owner` that shuts down; a turn that it has goes on."""
        self._shutting_down.add(owner)
        self._deny(owner)

    def close(self) -> None:
        """Deny every request from now on, because all workers shut down."""
        self._is_closed = True
        for owner in {turn[0] for turn in self._waiting}:
            self._deny(owner)

    def _serve(self) -> None:
        """Give the next turn, if there is none and somebody waits for it."""
        if self._current is not None or not self._waiting:
            return
        nonce = self._range.take()
        if nonce is None or self._range.is_low:
            self._reserve()
        if nonce is None:
            return
        self._current, reply = self._waiting.popitem(last=False)
        self._has_waited = False
        self._free_after(TURN_SECONDS)
        reply(nonce)

    def _free(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._current = None
        self._serve()

    def _free_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        owner = None if self._current is None else self._current[0]
        if owner is not None:
            had_waited, self._has_waited = self._has_waited, self._waits_for_budget(owner)
            if had_waited or self._has_waited:
                # Its attempt has not begun, or may have begun just now.
                self._free_after(TURN_SECONDS)
                return
            log.warning("nonces.turn_given_up", shard=owner)
        self._free()

    def _reserve(self) -> None:
        """Reserve a further range, in the background, unless that is under way."""
        if self._is_reserving:
            return
        self._is_reserving = True
        loop = asyncio.get_running_loop()
        self._write_in_background(partial(self._reserve_with, loop, self._range.least))

    def _reserve_with(self, loop: asyncio.AbstractEventLoop, least: int, planner: Planner) -> None:
        """Reserve nonces, in a thread. A failure is tried again, and logged by the caller."""
        first: int | None = None
        try:
            first = planner.reserve_nonces(least, RANGE)
        finally:
            loop.call_soon_threadsafe(self._on_reserved, first)

    def _on_reserved(self, first: int | None) -> None:
        if first is None:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry)
            return
        self._is_reserving = False
        self._range.extend(first, RANGE)
        self._serve()

    def _retry(self) -> None:
        self._is_reserving = False
        if self._waiting:
            self._reserve()

    def _deny(self, owner: Hashable) -> None:
        for turn in [turn for turn in self._waiting if turn[0] == owner]:
            self._waiting.pop(turn)(None)
