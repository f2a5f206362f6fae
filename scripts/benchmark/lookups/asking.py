"""Our adapter and client, asking for orders that only a look-up of their own answers for.

Each is the only one of its symbol and has ended: the list of open orders, asked for once, has none
of them, and a page of history would weigh five times a look-up.
"""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from reconciler.domain.report import Report
from reconciler.exchanges.base import Exchange, OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.exchanges.request_policy import RequestPolicy, UsageCounter
from reconciler.paper.listing import OrderSpec
from reconciler.paper.process import PaperProcess
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.budget import LocalBudget
from reconciler.resilience.rate_limits import RateLimits
from reconciler.settings import BreakerPolicy, Credentials, RetryPolicy
from scripts.benchmark.figures import BenchFailed

NO_LIMIT = 10**9


@dataclass(frozen=True, kw_only=True)
class FarExchange:
    """An exchange that answers `latency_ms` late, and the orders to ask it for."""

    latency_ms: int
    url: str
    credentials: Credentials
    wanted: tuple[OrderRef, ...]

    def rate(self, at_once: int) -> float:
        """Ask for every order, `at_once` at a time; return the orders a second.

        Connections are opened, and the exchange's clock asked for, before the time begins.

        Raises:
            BenchFailed: an order was not reported, or not by a look-up of its own.
        """
        return asyncio.run(self._rate(at_once))

    async def _rate(self, at_once: int) -> float:
        usage = UsageCounter()
        exchange = self._open(at_once, usage)
        try:
            await exchange.fetch(self.wanted[: 2 * at_once])
            usage.take()
            started = time.monotonic()
            found = await exchange.fetch(self.wanted)
            seconds = time.monotonic() - started
        finally:
            await exchange.close()
        requests = usage.take().requests
        reported = sum(isinstance(answer, Report) for answer in found.answers.values())
        if reported != len(self.wanted) or requests < len(self.wanted):
            raise BenchFailed(
                f"{reported:,} of {len(self.wanted):,} orders were reported, by {requests:,}"
                " requests"
            )
        return len(self.wanted) / seconds

    def _open(self, at_once: int, usage: UsageCounter) -> Exchange:
        budget = LocalBudget(RateLimits((), share=1))
        return open_exchange(
            venue("paper", self.url),
            credentials=self.credentials,
            sender=RequestPolicy(
                budget=budget, breaker=Breaker(BreakerPolicy()), retry=RetryPolicy(), usage=usage
            ),
            budget=budget,
            clock=lambda: datetime.now(UTC),
            requests_at_once=at_once,
        )


@contextmanager
def open_far_exchange(latency_ms: int, orders: int) -> Iterator[FarExchange]:
    """Start an exchange with this latency and number of orders; end it with the block."""
    api_key, api_secret = secrets.token_hex(16), secrets.token_hex(32)
    options = ("--latency-ms", str(latency_ms), "--weight-limit", str(NO_LIMIT))
    symbols = [f"SYM{number}USDT" for number in range(orders)]
    with PaperProcess(api_key=api_key, api_secret=api_secret, options=options) as process:
        process.replace_orders(
            OrderSpec(symbol=symbol, order_id=1, qty="1", status="CANCELED") for symbol in symbols
        )
        yield FarExchange(
            latency_ms=latency_ms,
            url=process.url,
            credentials=Credentials(api_key=SecretStr(api_key), api_secret=SecretStr(api_secret)),
            wanted=tuple(OrderRef(symbol=symbol, external_order_id="1") for symbol in symbols),
        )
