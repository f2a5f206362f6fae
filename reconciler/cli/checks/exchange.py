"""Checks of the exchange: its answer, its clock, our credentials, our account, its symbols."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler.cli.checks.asking import ANSWER_SECONDS, ask_exchange
from reconciler.cli.checks.database import clock_result
from reconciler.cli.checks.requests import LIMITS_CHECK, REQUESTS_CHECK, check_requests
from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.cli.checks.symbol_fixes import Listing
from reconciler.cli.checks.symbols import CHECK as SYMBOLS_CHECK
from reconciler.errors import ConfigurationError, Problem, ReconcilerError
from reconciler.exchanges.base import Account, Exchange, Venue
from reconciler.exchanges.configured_venue import configured_venue
from reconciler.orders.account import OTHER_ACCOUNT_HINT, UNNAMED, UNNAMED_HINT
from reconciler.settings import Settings

CHECK = "exchange"
CLOCK_CHECK = "exchange clock"
ACCOUNT_CHECK = "account"


def check_exchange(
    settings: Settings,
    check_account: Callable[[Venue, Account], CheckResult],
    check_symbols: Callable[[Venue], CheckResult],
) -> Sequence[CheckResult]:
    """Ask the exchange for our account; `check_account` compares it with the known account.

    `check_symbols` is called if the exchange has answered, and accepts our credentials.
    """
    try:
        found = configured_venue(settings)
        account = asyncio.run(read_account(found, settings))
    except ReconcilerError as error:
        later = (CLOCK_CHECK, ACCOUNT_CHECK, LIMITS_CHECK, REQUESTS_CHECK, SYMBOLS_CHECK)
        return [failed(CHECK, error), *(skipped(check, "the exchange answers") for check in later)]
    if account.identity is None:
        known_as, account_check = "accepts our credentials", _unnamed_account_result(settings)
    else:
        known_as, account_check = (
            f"knows us as account {account.identity}",
            check_account(found, account),
        )
    return [
        passed(CHECK, f"{found.name} at {found.address} {known_as}"),
        clock_result(CLOCK_CHECK, account.clock_offset, whose="the exchange's clock"),
        account_check,
        *check_requests(settings, found),
        check_symbols(found),
    ]


def _unnamed_account_result(settings: Settings) -> CheckResult:
    """Return the result for an exchange that does not name our account."""
    problem = Problem(what=UNNAMED, hint=UNNAMED_HINT)
    if settings.unnamed_account == "refuse":
        return failed(ACCOUNT_CHECK, ConfigurationError([problem]))
    accepted = replace(problem, hint="nothing, if the key and the orders belong to one account")
    return warning(ACCOUNT_CHECK, "the exchange names none, which is accepted", [accepted])


def account_result(account: Account, remembered: str | None) -> CheckResult:
    """Return a problem if the key belongs to another account than the orders."""
    if remembered is None:
        return passed(ACCOUNT_CHECK, f"{account.identity}, to be remembered at the first run")
    if remembered == account.identity:
        return passed(ACCOUNT_CHECK, f"{account.identity}, the account of the orders")
    problem = Problem(
        what=f"the key belongs to account {account.identity}, but the orders belong to account"
        f" {remembered}: nothing would be written",
        hint=OTHER_ACCOUNT_HINT,
    )
    return failed(ACCOUNT_CHECK, ConfigurationError([problem]))


def skip_exchange() -> Sequence[CheckResult]:
    """Return the skipped results of all checks of an exchange whose settings are wrong."""
    checks = (CHECK, CLOCK_CHECK, ACCOUNT_CHECK, LIMITS_CHECK, REQUESTS_CHECK, SYMBOLS_CHECK)
    return [skipped(check, "the EXCHANGE_ settings are valid") for check in checks]


async def read_account(
    venue: Venue, settings: Settings, *, answer_seconds: float = ANSWER_SECONDS
) -> Account:
    """Ask `venue` for the account of the credentials.

    Raises:
        ConfigurationError: the credentials cannot be of this exchange.
        ExchangeError: it does not answer, or does not accept them.
    """
    return await ask_exchange(venue, settings, lambda one: one.fetch_account(), answer_seconds)


async def read_listing(venue: Venue, settings: Settings) -> Listing:
    """Ask `venue` which symbols it lists.

    Raises:
        ConfigurationError: the credentials cannot be of this exchange.
        ExchangeError: it does not answer, or has no such list.
    """

    async def fetch(exchange: Exchange) -> Listing:
        symbols = await exchange.fetch_symbols()
        return Listing(symbols=symbols, request_symbol=exchange.request_symbol)

    return await ask_exchange(venue, settings, fetch)
