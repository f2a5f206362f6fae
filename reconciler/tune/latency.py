"""Measure the latency of the user's exchange with a few of its cheapest requests."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from reconciler.errors import Unavailable
from reconciler.exchanges.base import Exchange
from reconciler.exchanges.configured_venue import configured_venue
from reconciler.exchanges.registry import open_exchange
from reconciler.exchanges.request_policy import SingleAttempt
from reconciler.resilience.budget import LocalBudget
from reconciler.resilience.rate_limits import RateLimits
from reconciler.settings import Settings

MEASURED_REQUESTS = 5
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The exchange's latency; with requests, weight and address if it was measured."""

    ms: float
    requests: int = 0
    weight: int = 0
    address: str | None = None


def measure_latency(settings: Settings) -> Latency:
    """Ask the configured exchange for its time, one request after another; return the median.

    Raises:
        ConfigurationError: there is no such exchange, or the credentials cannot be its own.
        ExchangeError: it does not answer, or refuses us.
    """
    try:
        return asyncio.run(_measure(settings))
    except Unavailable as error:
        raise Unavailable(f"{error}; with --latency-ms it need not be asked") from error


async def _measure(settings: Settings) -> Latency:
    found = configured_venue(settings)
    sender = SingleAttempt(TIMEOUT_SECONDS)
    exchange = open_exchange(
        found,
        credentials=settings.credentials,
        sender=sender,
        budget=LocalBudget(RateLimits(found.limits, share=1)),
        clock=lambda: datetime.now(UTC),
    )
    try:
        await _answer_ms(exchange)  # opens the connection, and does not count
        answers_ms = [await _answer_ms(exchange) for _ in range(MEASURED_REQUESTS)]
    finally:
        await exchange.close()
    return Latency(
        ms=median(answers_ms),
        requests=MEASURED_REQUESTS + 1,
        weight=sender.weight_spent,
        address=found.address,
    )


async def _answer_ms(exchange: Exchange) -> float:
    started = time.perf_counter()
    await exchange.fetch_clock_offset()
    return (time.perf_counter() - started) * 1000
