"""Does the exchange answer, and does it accept our credentials?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import httpx

from reconciler.cli.checks.database import judged_clock
from reconciler.cli.checks.finding import Finding, failed, good, skipped
from reconciler.errors import ReconcilerError, Unavailable
from reconciler.exchanges.base import Account, Venue
from reconciler.exchanges.guarded import translated
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.resilience.budget import LocalBudget, WeightWindow
from reconciler.settings import Credentials, Settings

CHECK = "exchange"
CLOCK_CHECK = "exchange clock"
ANSWER_SECONDS = 10.0

T = TypeVar("T")


class OneAttempt:
    """A guard for a question that a person waits for: asked once, and every error shown at once."""

    def __init__(self, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds

    async def call(self, weight: int, send: Callable[[], Awaitable[T]]) -> T:  # noqa: ARG002 - the guard's signature
        """Send once.

        Raises:
            ExchangeError: there is no usable answer.
        """
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await send()
        except TimeoutError:
            message = f"the exchange gave no answer within {self._answer_seconds:g} s"
            raise Unavailable(message) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            # Not "from error": its text may carry the address with its signature.
            raise translated(error) from None


def check_exchange(settings: Settings) -> Sequence[Finding]:
    """Ask the exchange who we are, once."""
    try:
        found = venue(settings.exchange_name, settings.exchange_base_url)
        account = asyncio.run(read_account(found, settings.credentials))
    except ReconcilerError as error:
        return [failed(CHECK, error), skipped(CLOCK_CHECK, "the exchange answers")]
    return [
        good(CHECK, f"{found.name} at {found.base_url} knows us as account {account.identity}"),
        judged_clock(CLOCK_CHECK, account.clock_offset, whose="the exchange's clock"),
    ]


def skip_exchange() -> Sequence[Finding]:
    """Return the findings of what needs settings that fit."""
    return [skipped(check, "the EXCHANGE_ settings fit") for check in (CHECK, CLOCK_CHECK)]


async def read_account(
    venue: Venue, credentials: Credentials, *, answer_seconds: float = ANSWER_SECONDS
) -> Account:
    """Ask `venue` whose credentials these are.

    Raises:
        ConfigurationError: they cannot be those of this exchange.
        ExchangeError: it does not answer, or does not accept them.
    """
    exchange = open_exchange(
        venue,
        credentials=credentials,
        guard=OneAttempt(answer_seconds),
        budget=LocalBudget(WeightWindow(venue.weight_per_minute, share=1)),
        clock=lambda: datetime.now(UTC),
    )
    try:
        return await exchange.account()
    finally:
        await exchange.close()
