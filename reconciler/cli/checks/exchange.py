"""Does the exchange answer, and does it accept our credentials?"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.cli.checks.database import clock_result
from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.errors import ConfigurationError, Problem, ReconcilerError
from reconciler.exchanges.base import Account, Venue
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.exchanges.request_policy import SingleAttempt
from reconciler.orders.account import OTHER_ACCOUNT_HINT, UNNAMED, UNNAMED_HINT
from reconciler.resilience.budget import LocalBudget, WeightWindow
from reconciler.settings import Credentials, Settings

CHECK = "exchange"
CLOCK_CHECK = "exchange clock"
ACCOUNT_CHECK = "account"
ANSWER_SECONDS = 10.0


def check_exchange(
    settings: Settings, check_account: Callable[[Venue, Account], CheckResult]
) -> Sequence[CheckResult]:
    """Ask the exchange who we are, once; `check_account` compares that with what is remembered."""
    try:
        found = venue(settings.exchange_name, settings.exchange_base_url)
        account = asyncio.run(read_account(found, settings.credentials))
    except ReconcilerError as error:
        later = [skipped(check, "the exchange answers") for check in (CLOCK_CHECK, ACCOUNT_CHECK)]
        return [failed(CHECK, error), *later]
    if account.identity is None:
        known_as, account_check = "accepts our credentials", _unnamed_account_result(settings)
    else:
        known_as, account_check = (
            f"knows us as account {account.identity}",
            check_account(found, account),
        )
    return [
        passed(CHECK, f"{found.name} at {found.base_url} {known_as}"),
        clock_result(CLOCK_CHECK, account.clock_offset, whose="the exchange's clock"),
        account_check,
    ]


def _unnamed_account_result(settings: Settings) -> CheckResult:
    """Return whether a run goes on with an exchange that does not say who we are."""
    problem = Problem(what=UNNAMED, hint=UNNAMED_HINT)
    if settings.unnamed_account == "refuse":
        return failed(ACCOUNT_CHECK, ConfigurationError([problem]))
    accepted = replace(problem, hint="nothing, if the key is of the account that the orders are of")
    return warning(ACCOUNT_CHECK, "the exchange names none, which is accepted", [accepted])


def account_result(account: Account, remembered: str | None) -> CheckResult:
    """Return whether the key is of the account that the orders are of."""
    if remembered is None:
        return passed(ACCOUNT_CHECK, f"{account.identity}, to be remembered at the first run")
    if remembered == account.identity:
        return passed(ACCOUNT_CHECK, f"{account.identity}, the one that the orders are of")
    problem = Problem(
        what=f"the key is of account {account.identity}, but the orders are of account"
        f" {remembered}: nothing would be written",
        hint=OTHER_ACCOUNT_HINT,
    )
    return failed(ACCOUNT_CHECK, ConfigurationError([problem]))


def skip_exchange() -> Sequence[CheckResult]:
    """Return the findings of what needs settings that fit."""
    checks = (CHECK, CLOCK_CHECK, ACCOUNT_CHECK)
    return [skipped(check, "the EXCHANGE_ settings fit") for check in checks]


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
        sender=SingleAttempt(answer_seconds),
        budget=LocalBudget(WeightWindow(venue.weight_per_minute, share=1)),
        clock=lambda: datetime.now(UTC),
    )
    try:
        return await exchange.fetch_account()
    finally:
        await exchange.close()
