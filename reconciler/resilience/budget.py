"""How much request weight may be spent, and when.

The supervisor owns one `WeightWindow` for all its workers, so that a worker's restart changes
nothing and what one worker leaves unused another may take. A worker sees a `Budget`: it asks before
every request and waits for the answer.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

WINDOW_SECONDS = 60.0

MAX_RATE_LIMIT_PAUSE = timedelta(days=3)
"""The longest ban that an exchange documents (Binance). What is longer is a mistake."""

NEARLY_ALL = 0.9
"""When the whole account has used this much of the published limit, we stand back."""

SHORTEST_WAIT_SECONDS = 0.001
"""A rest smaller than the clock's own rounding would be waited out for ever."""


class Budget(Protocol):
    """Permission to send requests."""

    async def take(self, weight: int) -> None:
        """Wait until `weight` may be spent, and count it as spent.

        Raises:
            NotSent: this worker is to end; the request is not to be sent.
        """
        ...

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Tell that the request of the last `take` in this task has ended, after any `pause`.

        `is_alive`: it was answered, and not because of a failure of the exchange.
        """
        ...

    async def pause(self, seconds: float) -> None:
        """Let nobody of this host send anything for `seconds`: the exchange asked for silence."""
        ...

    async def observe(self, used_weight: int) -> None:
        """Take note of what the exchange says the account has used in the current minute."""
        ...


class WeightWindow:
    """Keep account of the weight spent: in no 60 s more than `share` of `weight_per_minute`.

    Pure accounting: it never waits, it says how long to. The window slides, so the guarantee holds
    for the exchange's minute wherever that begins. The one exception is a single weight above the
    whole share, which could otherwise never be spent: it is allowed when nothing else was spent in
    the window, and then stands alone in it.
    """

    def __init__(
        self,
        weight_per_minute: int,
        share: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self.resize(weight_per_minute, share)
        self._spent = 0
        self._returns: deque[tuple[float, int]] = deque()
        self._paused_until = -math.inf
        self.needs_probe = False
        """Whether nothing was answered since a pause: then one request goes first."""
        self._account_used = 0
        self._minute_began_at: float | None = None

    def resize(self, weight_per_minute: int, share: float) -> None:
        """Keep to another limit from now on; what has been spent stays so."""
        self._published = weight_per_minute
        self.limit = math.floor(weight_per_minute * share)

    @property
    def spent(self) -> int:
        """The weight spent in the last 60 s."""
        self._take_back(self._clock())
        return self._spent

    @property
    def paused_seconds(self) -> float:
        """How much longer nothing may be spent at all."""
        return max(0.0, self._paused_until - self._clock())

    def reserve(self, weight: int) -> float:
        """Spend `weight` and return 0.0, or return the seconds after which to ask again.

        In the second case nothing is spent. To ask sooner does no harm, and after the wait the
        answer may be another wait: somebody else was faster, or the exchange asked for silence.
        """
        now = self._clock()
        self._take_back(now)
        wait_seconds = max(self._paused_until, self._free_at(weight, now)) - now
        if wait_seconds > 0:
            return max(wait_seconds, SHORTEST_WAIT_SECONDS)
        self._spent += weight
        self._returns.append((now + WINDOW_SECONDS, weight))
        return 0.0

    def pause(self, seconds: float) -> None:
        """Let nothing be spent for `seconds`. The longest pause wins."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self.needs_probe = True

    def require_probe(self) -> None:
        """Let one request go first, as after a pause."""
        self.needs_probe = True

    def clear_probe(self) -> None:
        """Let everything go that there is room for: a request was answered after the pause."""
        self.needs_probe = False

    def observe(self, used_weight: int) -> None:
        """Take note of the account's use in the exchange's current minute, as its answers say it.

        Others may use the account too. When little is left of the published limit, pause until the
        exchange's minute is over, at most 60 s. When its minutes begin is seen from the use falling
        back: by half at least, since answers also overtake each other.
        """
        now = self._clock()
        if used_weight < self._account_used / 2:
            self._minute_began_at = now
        self._account_used = used_weight
        if used_weight >= NEARLY_ALL * self._published:
            self.pause(self._minute_left_seconds(now))

    def _minute_left_seconds(self, now: float) -> float:
        if self._minute_began_at is None:
            return WINDOW_SECONDS
        return WINDOW_SECONDS - (now - self._minute_began_at) % WINDOW_SECONDS

    def _free_at(self, weight: int, now: float) -> float:
        """Return when `weight` will fit, if nobody else spends anything until then."""
        excess = min(self._spent, self._spent + weight - self.limit)
        if excess <= 0:
            return now
        for returns_at, returned in self._returns:
            excess -= returned
            if excess <= 0:
                return returns_at
        raise AssertionError("more was spent than is remembered")

    def _take_back(self, now: float) -> None:
        while self._returns and self._returns[0][0] <= now:
            self._spent -= self._returns.popleft()[1]


class LocalBudget:
    """A `Budget` of one process, for commands that talk to the exchange without a supervisor.

    First come, first served: a heavy request is not starved by light ones behind it.
    """

    def __init__(
        self,
        window: WeightWindow,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._window = window
        self._sleep = sleep
        self._turn = asyncio.Lock()

    async def take(self, weight: int) -> None:
        """Wait until `weight` may be spent, and count it as spent."""
        async with self._turn:
            while wait_seconds := self._window.reserve(weight):
                await self._sleep(wait_seconds)

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Do nothing: a command has nobody else to hold back."""

    async def pause(self, seconds: float) -> None:
        """Let nothing be sent for `seconds`."""
        self._window.pause(seconds)

    async def observe(self, used_weight: int) -> None:
        """Take note of what the exchange says the account has used in the current minute."""
        self._window.observe(used_weight)
