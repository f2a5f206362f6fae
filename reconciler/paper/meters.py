"""Count requests against a venue's limits: sliding windows and leaking counters.

Pure: the caller gives the time. Written apart from the reconciler's own limiters, which these
check: a mistake shared by both would stay unseen.
"""

from collections import defaultdict, deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import Protocol

Cost = Mapping[str, int]
"""What one request takes from each limit, by the limit's name."""


class Scope(StrEnum):
    """The requests that a limit counts together."""

    ADDRESS = "address"
    KEY = "key"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who sends a request. `api_key` is None if the request has none."""

    address: str
    api_key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One limit. It has a window or a leak, not both.

    For a limit of one route, make a limit and charge it on that route only.

    Attributes:
        amount: The units within any window; of a leaking counter: the most that it may hold.
        window_ms: The length of the window.
        leak_per_second: The units by which a leaking counter shrinks.
        tolerated: The number of refused requests, in a row, that do not yet lock the caller out.
        lockout_seconds: How long the caller is locked out then. Zero: never.
    """

    name: str
    amount: int
    scope: Scope = Scope.KEY
    window_ms: int | None = None
    leak_per_second: float | None = None
    tolerated: int = 0
    lockout_seconds: float = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One limit after a request: what headers tell.

    Attributes:
        used: The units that it holds, this request's included if it was not refused.
        reset_ms: When enough is free again for such a request, in ms since 1970.
    """

    limit: Limit
    used: int
    reset_ms: int

    @property
    def remaining(self) -> int:
        """The units that are left."""
        return max(0, self.limit.amount - self.used)


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """The result of counting one request.

    Attributes:
        readings: The limits that it took from.
        retry_seconds: The time for which further requests are refused; None: it is not refused.
        is_ban: True if the refusal is a ban or a lockout, and not a mere rate limit.
        limit: The limit that refuses it; None if that is a pause or a ban.
    """

    readings: tuple[Reading, ...] = ()
    retry_seconds: float | None = None
    is_ban: bool = False
    limit: Limit | None = None


class Meter(Protocol):
    """Counts requests of a dialect, and pauses and bans callers."""

    @property
    def limit(self) -> int:
        """The amount of the first limit."""
        ...

    @property
    def total(self) -> int:
        """The units taken since the start: for each request its largest cost."""
        ...

    def charge(self, caller: Caller, cost: Cost, now_ms: int) -> Charge:
        """Count one request, and decide whether it is refused."""
        ...

    def pause(self, caller: Caller, seconds: float, now_ms: int) -> None:
        """Refuse the caller's requests for `seconds`."""
        ...

    def ban(self, caller: Caller, seconds: float, now_ms: int) -> None:
        """Ban the caller for `seconds`."""
        ...


class LimitMeter:
    """Counts requests against `limits`. A refused request takes nothing.

    With `is_enforced=False` it counts and refuses nothing but pauses and bans.
    """

    def __init__(self, limits: Sequence[Limit], *, is_enforced: bool = True) -> None:
        self.limits = {limit.name: limit for limit in limits}
        self.limit = limits[0].amount
        self.total = 0
        self._is_enforced = is_enforced
        self._counters: dict[Hashable, _Counter] = {}
        self._standings: defaultdict[str, _Standing] = defaultdict(_Standing)

    def charge(self, caller: Caller, cost: Cost, now_ms: int) -> Charge:
        """Count one request: it takes from each limit, or from none and is refused."""
        self.total += max(cost.values(), default=0)
        standing = self._standings[caller.address]
        if now_ms < standing.banned_until_ms:
            return Charge(retry_seconds=_seconds(standing.banned_until_ms - now_ms), is_ban=True)
        if now_ms < standing.paused_until_ms:
            return Charge(retry_seconds=_seconds(standing.paused_until_ms - now_ms))
        taken = [(self._counter(self.limits[name], caller), units) for name, units in cost.items()]
        full = self._first_full(taken, now_ms)
        if full is not None:
            return self._refuse(full, standing, taken, now_ms)
        for counter, units in taken:
            counter.add(units, now_ms)
        standing.refused = 0
        return Charge(readings=_readings(taken, now_ms))

    def pause(self, caller: Caller, seconds: float, now_ms: int) -> None:
        """Refuse the requests of the caller's address for `seconds`."""
        self._standings[caller.address].paused_until_ms = now_ms + round(seconds * 1000)

    def ban(self, caller: Caller, seconds: float, now_ms: int) -> None:
        """Ban the caller's address for `seconds`."""
        self._standings[caller.address].banned_until_ms = now_ms + round(seconds * 1000)

    def _counter(self, limit: Limit, caller: Caller) -> "_Counter":
        owner = caller.address if limit.scope is Scope.ADDRESS else caller.api_key
        counter = self._counters.get((limit.name, owner))
        if counter is None:
            counter = _Window(limit) if limit.window_ms is not None else _LeakingCounter(limit)
            self._counters[(limit.name, owner)] = counter
        return counter

    def _first_full(
        self, taken: "Sequence[tuple[_Counter, int]]", now_ms: int
    ) -> "tuple[_Counter, int] | None":
        if not self._is_enforced:
            return None
        for counter, units in taken:
            wait_ms = counter.wait_ms(units, now_ms)
            if wait_ms > 0:
                return counter, wait_ms
        return None

    def _refuse(
        self,
        full: "tuple[_Counter, int]",
        standing: "_Standing",
        taken: "Sequence[tuple[_Counter, int]]",
        now_ms: int,
    ) -> Charge:
        counter, wait_ms = full
        limit = counter.limit
        standing.refused += 1
        is_ban = limit.lockout_seconds > 0 and standing.refused > limit.tolerated
        if is_ban:
            standing.banned_until_ms = now_ms + round(limit.lockout_seconds * 1000)
            wait_ms = standing.banned_until_ms - now_ms
        return Charge(
            readings=_readings(taken, now_ms),
            retry_seconds=_seconds(wait_ms),
            is_ban=is_ban,
            limit=limit,
        )


@dataclass(kw_only=True, slots=True)
class _Standing:
    """How an address stands with the exchange."""

    paused_until_ms: int = 0
    banned_until_ms: int = 0
    refused: int = 0


class _Counter(Protocol):
    limit: Limit

    def used(self, now_ms: int) -> int: ...

    def wait_ms(self, units: int, now_ms: int) -> int:
        """Return the time until so much is free; 0: now."""
        ...

    def add(self, units: int, now_ms: int) -> None: ...


@dataclass(slots=True)
class _Window:
    """Units in the last `window_ms`."""

    limit: Limit
    _taken: deque[tuple[int, int]] = field(default_factory=deque)
    _used: int = 0

    def used(self, now_ms: int) -> int:
        assert self.limit.window_ms is not None  # noqa: S101  # chosen by that
        while self._taken and self._taken[0][0] <= now_ms - self.limit.window_ms:
            self._used -= self._taken.popleft()[1]
        return self._used

    def wait_ms(self, units: int, now_ms: int) -> int:
        assert self.limit.window_ms is not None  # noqa: S101  # chosen by that
        excess = self.used(now_ms) + units - self.limit.amount
        if excess <= 0:
            return 0
        for at_ms, taken in self._taken:
            excess -= taken
            if excess <= 0:
                return at_ms + self.limit.window_ms - now_ms
        return self.limit.window_ms

    def add(self, units: int, now_ms: int) -> None:
        self._taken.append((now_ms, units))
        self._used += units


@dataclass(slots=True)
class _LeakingCounter:
    """Units that leak away steadily."""

    limit: Limit
    _level: float = 0
    _at_ms: int = 0

    def used(self, now_ms: int) -> int:
        return ceil(self._level_at(now_ms))

    def wait_ms(self, units: int, now_ms: int) -> int:
        excess = self._level_at(now_ms) + units - self.limit.amount
        if excess <= 0:
            return 0
        return ceil(excess / self._leak_per_second * 1000)

    def add(self, units: int, now_ms: int) -> None:
        self._level = self._level_at(now_ms) + units
        self._at_ms = max(self._at_ms, now_ms)

    @property
    def _leak_per_second(self) -> float:
        assert self.limit.leak_per_second is not None  # noqa: S101  # chosen by that
        return self.limit.leak_per_second

    def _level_at(self, now_ms: int) -> float:
        leaked = max(0, now_ms - self._at_ms) / 1000 * self._leak_per_second
        return max(0.0, self._level - leaked)


def _readings(taken: Sequence[tuple[_Counter, int]], now_ms: int) -> tuple[Reading, ...]:
    return tuple(
        Reading(
            limit=counter.limit,
            used=counter.used(now_ms),
            reset_ms=now_ms + counter.wait_ms(units, now_ms),
        )
        for counter, units in taken
    )


def _seconds(left_ms: int) -> float:
    return left_ms / 1000
