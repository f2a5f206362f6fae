"""Keep one limit: a sliding window, or a counter that leaks. Pure: the caller says what time it is.

Guarantees, for any calls in the order of time:
1. `SlidingWindow`: the units spent within any stretch as long as the window are at most `amount`.
2. `LeakingCounter`: its level never exceeds `cap`.
3. The one exception is a single request that alone takes more than that. It could otherwise never
   be sent: it may be spent when nothing else is counted, and is then alone.
4. After a wait for `free_at`, the units fit if nothing else was spent meanwhile.

`now` is in seconds, by a clock that never goes back.
"""

from collections import deque
from typing import Protocol

ROUNDING = 1e-9
"""A level is computed with fractions, and may be above its true value by less than this."""


class Limiter(Protocol):
    """Counts what was spent of one limit. It never waits, but says how long to wait."""

    @property
    def allowed(self) -> float:
        """The units that it allows at once."""
        ...

    def used(self, now: float) -> float:
        """Return the units that count now."""
        ...

    def free_at(self, units: int, now: float) -> float:
        """Return when `units` will fit if nothing else is spent until then; `now` if they do."""
        ...

    def spend(self, units: int, now: float) -> None:
        """Count `units` as spent, whether they fit or not."""
        ...


class SlidingWindow:
    """At most `amount` units within any `seconds`.

    The window slides, so that the limit holds for a service's own window wherever that begins.
    """

    def __init__(self, amount: int, seconds: float) -> None:
        self._amount = amount
        self._seconds = seconds
        self._spent = 0
        self._spendings: deque[tuple[float, int]] = deque()
        """When, and how many units; the oldest first."""

    @property
    def allowed(self) -> float:
        """The units that it allows within a window."""
        return self._amount

    def resize(self, amount: int, seconds: float) -> None:
        """Apply another limit from now on. What was spent stays counted."""
        self._amount, self._seconds = amount, seconds

    def used(self, now: float) -> int:
        """Return the units spent within the last window."""
        while self._spendings and self._spendings[0][0] + self._seconds <= now:
            self._spent -= self._spendings.popleft()[1]
        return self._spent

    def free_at(self, units: int, now: float) -> float:
        """Return when `units` will fit if nothing else is spent until then."""
        used = self.used(now)
        excess = min(used, used + units - self._amount)
        if excess <= 0:
            return now
        for spent_at, spent in self._spendings:
            excess -= spent
            if excess <= 0:
                return spent_at + self._seconds
        raise AssertionError("more was spent than is remembered")

    def spend(self, units: int, now: float) -> None:
        """Count `units` as spent now."""
        if units > 0:
            self._spent += units
            self._spendings.append((now, units))


class LeakingCounter:
    """A level that each request raises by its units, and that falls by `leak_per_second`."""

    def __init__(self, cap: float, leak_per_second: float) -> None:
        self._cap = cap
        self._leak_per_second = leak_per_second
        self._level = 0.0
        self._measured_at = 0.0

    @property
    def allowed(self) -> float:
        """The highest level."""
        return self._cap

    def resize(self, cap: float, leak_per_second: float, now: float) -> None:
        """Apply another limit from now on. The level stays what it is."""
        self._settle(now)
        self._cap, self._leak_per_second = cap, leak_per_second

    def used(self, now: float) -> float:
        """Return the level."""
        self._settle(now)
        return self._level

    def free_at(self, units: int, now: float) -> float:
        """Return when `units` will fit if nothing else is spent until then."""
        excess = self.used(now) - max(0.0, self._cap - units)
        return now if excess <= ROUNDING else now + excess / self._leak_per_second

    def spend(self, units: int, now: float) -> None:
        """Raise the level by `units`."""
        self._settle(now)
        self._level += units

    def _settle(self, now: float) -> None:
        leaked = (now - self._measured_at) * self._leak_per_second
        self._level = max(0.0, self._level - leaked)
        self._measured_at = now
