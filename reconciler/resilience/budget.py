"""Limit the request weight that is spent at the exchange.

The supervisor owns one `WeightWindow` for all its workers. So a worker's restart changes nothing,
and one worker may use the weight that another leaves. A worker sees a `Budget`: it asks before
every request and waits for the answer.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from reconciler.resilience.limits import Cost, LimitReading, weight_of

WINDOW_SECONDS = 60.0

MAX_RATE_LIMIT_PAUSE = timedelta(days=3)
"""The longest ban that an exchange documents (Binance). A longer pause is a mistake."""

ACCOUNT_PAUSE_SHARE = 0.9
"""We pause when the whole account has used this share of the published limit."""

MIN_WAIT_SECONDS = 0.001
"""A wait below the clock's own rounding would never end."""


class Budget(Protocol):
    """Permission to send requests."""

    async def take(self, cost: Cost) -> None:
        """Wait until `cost` may be spent, and count it as spent.

        Raises:
            NotSent: this worker is shutting down, and must not send the request.
        """
        ...

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Report how the request of the last `take` in this task has ended, after any `pause`.

        `is_alive` is True if the request was answered, and not with a failure of the exchange.
        """
        ...

    async def pause(self, seconds: float) -> None:
        """Stop all requests of this host for `seconds`, as the exchange demands."""
        ...

    async def observe(self, reading: LimitReading) -> None:
        """Record what an answer says about one limit, by the exchange's own count."""
        ...


class WeightWindow:
    """Limit the weight spent within any 60 s to `share` of `weight_per_minute`.

    It never waits but returns how long to wait. The window slides, so the guarantee holds for the
    exchange's minute wherever that begins. The one exception is a single weight above the whole
    share, which could otherwise never be spent: it is allowed when nothing else was spent in the
    window, and is then alone in it.
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
        self._expiries: deque[tuple[float, int]] = deque()
        self._paused_until = -math.inf
        self.needs_probe = False
        """True after a pause, until a request that is sent alone as a probe is answered."""
        self._account_used = 0
        self._minute_began_at: float | None = None

    def resize(self, weight_per_minute: int, share: float) -> None:
        """Apply another limit from now on. Weight already spent stays counted."""
        self._published = weight_per_minute
        self.limit = math.floor(weight_per_minute * share)

    @property
    def spent(self) -> int:
        """The weight spent in the last 60 s."""
        self._expire(self._clock())
        return self._spent

    @property
    def paused_seconds(self) -> float:
        """The seconds until the pause is over; 0 without a pause."""
        return max(0.0, self._paused_until - self._clock())

    def reserve(self, weight: int) -> float:
        """Spend `weight` and return 0.0, or spend nothing and return the seconds to wait.

        Asking sooner does no harm. After the wait there may be another wait, because another caller
        was faster or a pause began.
        """
        now = self._clock()
        self._expire(now)
        wait_seconds = max(self._paused_until, self._free_at(weight, now)) - now
        if wait_seconds > 0:
            return max(wait_seconds, MIN_WAIT_SECONDS)
        self._spent += weight
        self._expiries.append((now + WINDOW_SECONDS, weight))
        return 0.0

    def pause(self, seconds: float) -> None:
        """Allow no spending for `seconds`. The longest pause wins."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self.needs_probe = True

    def require_probe(self) -> None:
        """Require a probe, as after a pause."""
        self.needs_probe = True

    def clear_probe(self) -> None:
        """Allow requests up to the limit again, because the probe was answered."""
        self.needs_probe = False

    def observe(self, used_weight: int) -> None:
        """Record the weight that the account has used in this minute, by the exchange's count.

        Other programs may use the account too. When little is left of the published limit, pause
        until the exchange's minute is over, at most 60 s. A minute begins when the used weight
        falls by half or more; by less it also falls when answers overtake each other.
        """
        now = self._clock()
        if used_weight < self._account_used / 2:
            self._minute_began_at = now
        self._account_used = used_weight
        if used_weight >= ACCOUNT_PAUSE_SHARE * self._published:
            self.pause(self._minute_left_seconds(now))

    def _minute_left_seconds(self, now: float) -> float:
        if self._minute_began_at is None:
            return WINDOW_SECONDS
        return WINDOW_SECONDS - (now - self._minute_began_at) % WINDOW_SECONDS

    def _free_at(self, weight: int, now: float) -> float:
        """Return when `weight` will fit, if nothing else is spent until then."""
        excess = min(self._spent, self._spent + weight - self.limit)
        if excess <= 0:
            return now
        for expires_at, expired in self._expiries:
            excess -= expired
            if excess <= 0:
                return expires_at
        raise AssertionError("more was spent than is remembered")

    def _expire(self, now: float) -> None:
        while self._expiries and self._expiries[0][0] <= now:
            self._spent -= self._expiries.popleft()[1]


class LocalBudget:
    """A `Budget` of one process, for commands that talk to the exchange without a supervisor.

    First come, first served: light requests do not overtake a heavy one.
    """

    def __init__(
        self,
        window: WeightWindow,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._window = window
        self._sleep = sleep
        self._queue_lock = asyncio.Lock()

    async def take(self, cost: Cost) -> None:
        """Wait until `cost` may be spent, and count it as spent."""
        async with self._queue_lock:
            while wait_seconds := self._window.reserve(weight_of(cost)):
                await self._sleep(wait_seconds)

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Do nothing, because no other process waits for a probe."""

    async def pause(self, seconds: float) -> None:
        """Stop all requests for `seconds`."""
        self._window.pause(seconds)

    async def observe(self, reading: LimitReading) -> None:
        """Record what an answer says about one limit, by the exchange's own count."""
        if reading.used is not None:
            self._window.observe(reading.used)
