"""Rate limits in words, for `status`, `top` and `check`. Pure."""

from collections.abc import Iterator

from reconciler.formatting import duration
from reconciler.resilience.limits import RateLimit
from reconciler.supervisor.status import BudgetStatus, LimitStatus

MINUTE = 60.0


def budget_words(budget: BudgetStatus) -> str:
    """Return how much of the tightest limit is used."""
    if not budget.limits:
        return "no limit"
    return next(_use(limit) for limit in budget.limits if limit.name == budget.tightest)


def other_limits(budget: BudgetStatus) -> str:
    """Return how much of each further limit is used; nothing if there is only one."""
    return "; ".join(_use(limit) for limit in budget.limits if limit.name != budget.tightest)


def published(limit: RateLimit) -> str:
    """Return a limit as the venue publishes it: "6,000 weight a minute for an address"."""
    if limit.window is not None:
        seconds = limit.window.total_seconds()
        every = "a minute" if seconds == MINUTE else f"in {duration(seconds)}"
    else:
        every = f"that leak by {limit.leak_per_second:g} a second"
    return f"{limit.amount:,} {limit.name} {every} for {_OWNERS[limit.scope]}"


_OWNERS = {
    "address": "an address",
    "account": "an account",
    "key": "a key",
    "route": "an account and route",
}


def _use(limit: LimitStatus) -> str:
    return "".join(_use_parts(limit))


def _use_parts(limit: LimitStatus) -> Iterator[str]:
    yield f"{limit.used:,} of {limit.allowed:,} {limit.name}"
    if limit.leak_per_second is not None:
        yield ", leaking"
    elif limit.window_seconds == MINUTE:
        yield " this minute"
    else:
        yield f" in {duration(limit.window_seconds or 0)}"
    if limit.blocked_seconds > 0:
        yield f", blocked for {duration(limit.blocked_seconds)}: all programs used it up"
