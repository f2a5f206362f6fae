"""Does the exchange answer, and does it accept our credentials?"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from reconciler.cli.checks.database import judged_clock
from reconciler.cli.checks.finding import Finding, failed, good, skipped
from reconciler.errors import ReconcilerError
from reconciler.exchanges.base import Account, Venue
from reconciler.exchanges.guarded import OneAttempt
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.resilience.budget import LocalBudget, WeightWindow
from reconciler.settings import Credentials, Settings

CHECK = "exchange"
CLOCK_CHECK = "exchange clock"
ANSWER_SECONDS = 10.0


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
