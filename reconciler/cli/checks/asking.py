"""Ask the exchange once, as the checks do: no retry, no breaker, no supervisor."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from reconciler.cli.nonces import command_nonces
from reconciler.exchanges.base import Exchange, Venue
from reconciler.exchanges.registry import open_exchange
from reconciler.exchanges.request_policy import SingleAttempt
from reconciler.resilience.budget import LocalBudget
from reconciler.resilience.rate_limits import RateLimits
from reconciler.settings import Settings

T = TypeVar("T")

ANSWER_SECONDS = 10.0


async def ask_exchange(
    venue: Venue,
    settings: Settings,
    question: Callable[[Exchange], Awaitable[T]],
    answer_seconds: float = ANSWER_SECONDS,
    *,
    limits: RateLimits | None = None,
) -> T:
    """Return what `question` finds out. `limits` learn what the answers say of them.

    Raises:
        ConfigurationError: the credentials cannot be of this exchange.
        ExchangeError: it does not answer, or refuses us.
    """
    exchange = open_exchange(
        venue,
        credentials=settings.credentials,
        sender=SingleAttempt(answer_seconds),
        budget=LocalBudget(limits or RateLimits(venue.limits, share=1)),
        clock=lambda: datetime.now(UTC),
        nonces=command_nonces(settings),
    )
    try:
        return await question(exchange)
    finally:
        await exchange.close()
