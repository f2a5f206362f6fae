"""Orders set aside, and how long each waits before it is tried again."""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.domain.decide import HoldReason

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveHold:
    """The hold an order is under: why, and the how-manieth in a row for that reason."""

    reason: HoldReason
    attempts: int


def attempts_in_a_row(active: ActiveHold | None, reason: HoldReason) -> int:
    """Return how often the order has been held for `reason` without a break."""
    return active.attempts if active is not None and active.reason is reason else 0


def wait_before_attempt(attempts: int) -> timedelta:
    """Return the wait after `attempts` (1 or more) holds in a row: doubling, an hour at most."""
    doublings: int = min(attempts - 1, 10)
    return min(LONGEST_WAIT, FIRST_WAIT * (1 << doublings))
