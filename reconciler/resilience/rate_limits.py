"""All rate limits of one account together: what may be spent now, and which limit is tight.

    reserve(cost) ─▶ pause? ─▶ each limit that the cost names ─▶ spent from all, or from none

One `RateLimits` serves all workers of a host, so a worker's restart changes nothing, and one worker
may use what another leaves. It never waits, but returns how long to wait.

Three things hold requests back:
1. A pause, which the service asked for: nothing is sent. After it one request, the probe, goes
   first.
2. A limit of which our share is spent: a request that takes from it waits.
3. A limit that is nearly used up by all programs together, as the service's headers say: it is
   *blocked* until its window is over. If it counts all requests, not those of one route, that is
   like a pause, and a probe follows too.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from reconciler.resilience.limiters import LeakingCounter, Limiter, SlidingWindow
from reconciler.resilience.limits import Cost, LimitReading, LimitScope, RateLimit, weight_of

ACCOUNT_PAUSE_SHARE = 0.9
"""A limit is blocked when all programs together have used this share of it."""

MIN_WAIT_SECONDS = 0.001
"""A wait below the clock's own rounding would never end."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitUse:
    """How far one limit is used.

    Attributes:
        limit: The limit, as published or as the settings lower it.
        allowed: The units of it that this host may use: its share.
        used: The units that this host has used of them.
        account_used: The units that all programs have used, by the service's last word on it.
        blocked_seconds: How long no request may take from it, because little of it is left.
    """

    limit: RateLimit
    allowed: float
    used: float
    account_used: int | None
    blocked_seconds: float

    @property
    def used_share(self) -> float:
        """The part of what we may use that is used; 1 if nothing may be taken from it."""
        if self.blocked_seconds > 0:
            return 1.0
        return self.used / max(self.allowed, 1)


class RateLimits:
    """Spends at most `share` of each limit."""

    def __init__(
        self,
        limits: tuple[RateLimit, ...],
        share: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._limits: dict[str, _OneLimit] = {}
        """All that were ever in force: a worker with older settings may name an earlier one."""
        self._current: tuple[RateLimit, ...] = ()
        self._share = share
        self._paused_until = -math.inf
        self._unknown: set[str] = set()
        self.needs_probe = False
        """True after a pause, until a request that is sent alone as a probe is answered."""
        self.resize(limits, share)

    def resize(self, limits: tuple[RateLimit, ...], share: float) -> None:
        """Apply other limits from now on.

        What was spent of a limit with the same name stays counted, and so does what the service
        said of it. A pause and a probe stay in force.
        """
        now = self._clock()
        for limit in limits:
            known = self._limits.get(limit.name)
            if known is None:
                self._limits[limit.name] = _OneLimit(limit, share)
            else:
                known.resize(limit, share, now)
        self._current, self._share = limits, share

    @property
    def uses(self) -> tuple[LimitUse, ...]:
        """How far each limit is used, in the order of the venue."""
        now = self._clock()
        return tuple(self._limits[limit.name].use(now) for limit in self._current)

    @property
    def tightest(self) -> LimitUse | None:
        """The limit of which the largest part of our share is used; the first one if several are.

        None if there are no limits.
        """
        return max(self.uses, key=lambda use: use.used_share, default=None)

    @property
    def paused_seconds(self) -> float:
        """The seconds until requests of every kind may be sent again; 0 without a pause.

        A blocked limit of a single route does not count: other requests go on.
        """
        now = self._clock()
        blocked = (
            self._limits[limit.name].blocked_until
            for limit in self._current
            if limit.scope is not LimitScope.ROUTE
        )
        return max(0.0, max(blocked, default=-math.inf) - now, self._paused_until - now)

    @property
    def is_paused(self) -> bool:
        """True during a pause that the service asked for."""
        return self._paused_until > self._clock()

    def weight_per_minute(self, cost: Cost) -> float | None:
        """Return the weight that we may use a minute in the long run, in requests such as `cost`.

        The limit that allows the fewest of these decides. None if nothing limits them.
        """
        return per_minute(self._current, cost, self._share)

    def reserve(self, cost: Cost) -> float:
        """Spend `cost` from all its limits and return 0.0, or spend nothing: the seconds to wait.

        Asking sooner does no harm. After the wait there may be another wait, because another caller
        was faster or a pause began. A limit that is not known takes nothing.
        """
        now = self._clock()
        free_at = max((at for _, at in self._shortages(cost, now)), default=now)
        wait_seconds = max(self._paused_until, free_at) - now
        if wait_seconds > 0:
            return max(wait_seconds, MIN_WAIT_SECONDS)
        for name, units in cost.items():
            if (limit := self._limits.get(name)) is not None:
                limit.limiter.spend(units, now)
        return 0.0

    def short(self, cost: Cost) -> frozenset[str]:
        """Return the limits for which a request of this cost has to wait now."""
        return frozenset(name for name, _ in self._shortages(cost, self._clock()))

    def pause(self, seconds: float) -> None:
        """Allow no spending for `seconds`. The longest pause wins."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self.needs_probe = True

    def require_probe(self) -> None:
        """Require a probe, as after a pause."""
        self.needs_probe = True

    def clear_probe(self) -> None:
        """Allow requests up to the limits again, because the probe was answered."""
        self.needs_probe = False

    def observe(self, reading: LimitReading) -> None:
        """Correct a limit by what the service said of it.

        Other programs may use it too. When little is left of it, it is blocked until its window is
        over. A reading of an unknown limit says nothing.
        """
        limit = self._limits.get(reading.name)
        if limit is None:
            return
        is_blocked = limit.observe(reading, self._clock())
        if is_blocked and limit.limit.scope is not LimitScope.ROUTE:
            self.needs_probe = True

    def _shortages(self, cost: Cost, now: float) -> Iterator[tuple[str, float]]:
        """Yield the limits of which too little is left for `cost`, each with when it is enough."""
        for name, units in cost.items():
            limit = self._limits.get(name)
            if limit is None:
                self._report_unknown(name)
            elif units > 0 and (free_at := limit.free_at(units, now)) > now:
                yield name, free_at

    def _report_unknown(self, name: str) -> None:
        if self._current and name not in self._unknown:
            self._unknown.add(name)
            known = [limit.name for limit in self._current]
            log.error("budget.unknown_limit", limit=name, known=known)


def per_minute(limits: tuple[RateLimit, ...], cost: Cost, share: float) -> float | None:
    """Return the weight that `share` of the limits allows a minute, in requests such as `cost`.

    The limit that allows the fewest of these decides. If `cost` names none of them, the smallest
    limit does. None without limits.
    """
    named = [limit for limit in limits if cost.get(limit.name)]
    weight = weight_of(cost)
    return min(
        (
            limit.per_minute * share * (weight / cost[limit.name] if named else 1)
            for limit in named or limits
        ),
        default=None,
    )


class _OneLimit:
    """One limit: what we spent of it, and what the service says that all have."""

    def __init__(self, limit: RateLimit, share: float) -> None:
        self.limit = limit
        self.limiter = _limiter(limit, share)
        self.blocked_until = -math.inf
        self._account_used: int | None = None
        self._window_began_at: float | None = None

    def resize(self, limit: RateLimit, share: float, now: float) -> None:
        """Apply another amount or another window; keep what was spent."""
        self.limit = limit
        match self.limiter:
            case SlidingWindow() if limit.window is not None:
                self.limiter.resize(math.floor(limit.amount * share), limit.window.total_seconds())
            case LeakingCounter() if limit.leak_per_second is not None:
                self.limiter.resize(limit.amount * share, limit.leak_per_second * share, now)
            case before:
                self.limiter = _limiter(limit, share)
                self.limiter.spend(math.ceil(before.used(now)), now)

    def use(self, now: float) -> LimitUse:
        """Return how far it is used."""
        return LimitUse(
            limit=self.limit,
            allowed=self.limiter.allowed,
            used=self.limiter.used(now),
            account_used=self._account_used,
            blocked_seconds=max(0.0, self.blocked_until - now),
        )

    def free_at(self, units: int, now: float) -> float:
        """Return when `units` may be taken if nothing else is spent until then."""
        return max(self.blocked_until, self.limiter.free_at(units, now))

    def observe(self, reading: LimitReading, now: float) -> bool:
        """Record what the service says; block the limit if little is left, and return True then."""
        used = self._used_by_all(reading)
        if used is None:
            return False
        self._learn_window(reading, used, now)
        self._account_used = used
        if used < ACCOUNT_PAUSE_SHARE * self.limit.amount:
            return False
        self.blocked_until = max(self.blocked_until, now + self._seconds_left(reading, used, now))
        return True

    def _used_by_all(self, reading: LimitReading) -> int | None:
        """Return the units that all programs have used. What is left counts more than what is used.

        An account may be allowed more than the published amount: then more than that may be left.
        """
        if reading.remaining is not None:
            return max(0, self.limit.amount - reading.remaining)
        return reading.used

    def _learn_window(self, reading: LimitReading, used: int, now: float) -> None:
        """Record when the service's window began, if the reading shows it.

        It begins when the used units fall by half or more; by less they also fall when answers
        overtake each other.
        """
        if self._account_used is not None and used < self._account_used / 2:
            self._window_began_at = now
        if reading.reset_seconds is not None and self.limit.window is not None:
            self._window_began_at = now + reading.reset_seconds - self.limit.window.total_seconds()

    def _seconds_left(self, reading: LimitReading, used: int, now: float) -> float:
        """Return how long to take nothing from it, at most its window or what it takes to leak."""
        if self.limit.leak_per_second is not None:
            enough = used - ACCOUNT_PAUSE_SHARE * self.limit.amount + 1
            return min(enough, self.limit.amount) / self.limit.leak_per_second
        assert self.limit.window is not None  # noqa: S101 - see `RateLimit`
        window_seconds = self.limit.window.total_seconds()
        if reading.reset_seconds is not None:
            return min(max(reading.reset_seconds, MIN_WAIT_SECONDS), window_seconds)
        if self._window_began_at is None:
            return window_seconds
        return window_seconds - (now - self._window_began_at) % window_seconds


def _limiter(limit: RateLimit, share: float) -> Limiter:
    """Return the limiter for our share. Of a leaking counter that is a share of cap and leak."""
    if limit.window is not None:
        return SlidingWindow(math.floor(limit.amount * share), limit.window.total_seconds())
    assert limit.leak_per_second is not None  # noqa: S101 - see `RateLimit`
    return LeakingCounter(limit.amount * share, limit.leak_per_second * share)
