"""Describe the rate limits of a service: plain facts, which decide nothing.

A venue publishes several limits, each with a scope and with a window or a leak. A request takes
from each that applies: its `Cost` names them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

Cost = Mapping[str, int]
"""What a request takes from each limit, by the limit's name. An empty one takes nothing."""


class LimitScope(StrEnum):
    """Whose requests a limit counts together."""

    ADDRESS = "address"
    """All requests from one source address."""

    ACCOUNT = "account"
    """All requests of one account, whatever key signs them."""

    KEY = "key"
    """All requests that one key signs."""

    ROUTE = "route"
    """The requests of one account to one route, or to one group of routes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLimit:
    """A published limit: a sliding window, or a counter that leaks.

    Attributes:
        name: Small letters, digits and `_`: shown by `status`, and a name in RECONCILIATION_LIMITS.
        scope: Whose requests are counted together.
        amount: The units allowed within any window; of a leaking counter its cap, the burst.
        window: The length of the sliding window. None for a leaking counter.
        leak_per_second: The units by which a leaking counter falls. None for a window.
    """

    name: str
    scope: LimitScope
    amount: int
    window: timedelta | None = None
    leak_per_second: float | None = None

    def __post_init__(self) -> None:
        if (self.window is None) is (self.leak_per_second is None):
            raise ValueError(f"the limit {self.name} needs a window or a leak, and not both")

    @property
    def per_minute(self) -> float:
        """The units that it allows a minute in the long run."""
        if self.window is not None:
            return self.amount * 60 / self.window.total_seconds()
        assert self.leak_per_second is not None  # noqa: S101 - see `__post_init__`
        return self.leak_per_second * 60


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitReading:
    """What an answer of the service says about one limit. None is what it does not say.

    Attributes:
        name: The limit's.
        used: The units used, by all programs.
        remaining: The units left.
        reset_seconds: Seconds until all units are available again.
    """

    name: str
    used: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


def lowered(limit: RateLimit, amount: int) -> RateLimit:
    """Return the limit with a lower amount. A counter leaks more slowly in proportion."""
    if limit.leak_per_second is None:
        return replace(limit, amount=amount)
    leak = limit.leak_per_second * amount / limit.amount
    return replace(limit, amount=amount, leak_per_second=leak)


def weight_of(cost: Cost) -> int:
    """Return the most that `cost` takes from one limit: the weight that metrics count."""
    return max(cost.values(), default=0)
