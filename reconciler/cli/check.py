"""`reconciler check`: check everything that a run needs, before it starts."""

import asyncio
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.text import Text

from reconciler.cli.checks.accounts import check_accounts, skip_accounts
from reconciler.cli.checks.database import CHECK as DATABASE_CHECK
from reconciler.cli.checks.database import check_database, skip_database
from reconciler.cli.checks.exchange import (
    ACCOUNT_CHECK,
    account_result,
    check_exchange,
    read_listing,
    skip_exchange,
)
from reconciler.cli.checks.metrics import check_statsd, skip_statsd
from reconciler.cli.checks.result import (
    CheckResult,
    CheckStatus,
    exit_code_of_all,
    failed,
    overall_status,
    skipped,
)
from reconciler.cli.checks.settings import CheckedSettings, check_settings
from reconciler.cli.checks.symbols import CHECK as SYMBOLS_CHECK
from reconciler.cli.checks.symbols import check_symbols
from reconciler.cli.logs import set_up_logs, warnings_only
from reconciler.cli.ui.options import json_option
from reconciler.cli.ui.output import console, print_json, print_problems, print_table
from reconciler.cli.ui.progress import show_activity
from reconciler.errors import Problem, ReconcilerError
from reconciler.exchanges.base import Account, Venue
from reconciler.settings import Settings
from reconciler.store import shared_state
from reconciler.store.database import Database
from reconciler.store.user_table import UserTable

_STYLES = {
    CheckStatus.OK: "green",
    CheckStatus.WARNING: "yellow",
    CheckStatus.PROBLEM: "bold red",
    CheckStatus.SKIPPED: "dim",
}


@click.command(
    "check",
    epilog="""\b
Try it:
  reconciler check
  DATABASE_URL=postgresql://me@localhost/trading reconciler check --json""",
)
@json_option
def check_command(*, as_json: bool) -> None:
    """Check everything that a run needs, and print how to fix what is missing.

    Checks the settings; the database and its clock; the table orders, and which of its open rows
    will be followed; the reconciler's tables, index and rights; other programs over the table;
    whether an order can be locked and written, which is undone; what holds vacuum back; the
    exchange, its credentials, clock, account and limits, which requests the key may use, and
    whether it lists the symbols of the open orders; and the host of the metrics. Changes nothing.
    Asks the exchange for the account, its symbols, and about an order that does not exist.

    Exits with code 0 if a run can start (warnings included), 78 if the configuration is wrong, 69
    if a service does not answer.
    """
    checked = check_settings()
    set_up_logs(warnings_only(checked.settings))
    with show_activity("checking settings, database and exchange"):
        results = list(_results(checked))
    show = _print_json if as_json else _print
    show(results)
    sys.exit(exit_code_of_all(results))


def _results(checked: CheckedSettings) -> Iterator[CheckResult]:
    settings = checked.settings
    scopes: Collection[str] = ()
    yield checked.result
    with ExitStack() as opened:
        try:
            database = Database(settings.required_database_url, role="check")
        except ReconcilerError as error:
            found = [failed(DATABASE_CHECK, error), *skip_database()]
            found.append(skip_accounts("the database answers"))
            check_account = _skip_account("the database answers")
            check_listed = _skip_symbols("the database answers")
        else:
            opened.callback(database.close)
            found = list(
                check_database(database, UserTable(settings.orders), lambda: datetime.now(UTC))
            )
            found.append(_check_accounts(database, settings, found))
            scopes = _read_scopes(database)
            check_account = _account_check(database, settings, found)
            check_listed = _symbols_check(database, settings, found)
        yield from found
        if checked.has_invalid("EXCHANGE_"):
            yield from skip_exchange()
        else:
            yield from check_exchange(settings, check_account, check_listed)
    yield skip_statsd() if checked.has_invalid("STATSD_") else check_statsd(settings, scopes)


def _read_scopes(database: Database) -> Collection[str]:
    """Read the scopes of all programs; none where the database or our tables are not there."""
    try:
        with database.autocommit() as connection:
            return shared_state.read_scopes(connection)
    except ReconcilerError:
        return ()


def _account_check(
    database: Database, settings: Settings, found: Sequence[CheckResult]
) -> Callable[[Venue, Account], CheckResult]:
    """Return the check that compares the account with the remembered one, or a check that skips."""
    statuses = {result.check: result.status for result in found}
    for check, until in {
        DATABASE_CHECK: "the database answers",
        "schema": "the schema is right",
        "rights": "the rights are granted",
    }.items():
        if statuses[check] in {CheckStatus.PROBLEM, CheckStatus.SKIPPED}:
            return _skip_account(until)

    def check_account(venue: Venue, account: Account) -> CheckResult:
        try:
            with database.autocommit() as connection:
                remembered = shared_state.read_account(connection, settings.scope, venue.name)
        except ReconcilerError as error:
            return failed(ACCOUNT_CHECK, error)
        return account_result(account, remembered)

    return check_account


def _skip_account(until: str) -> Callable[[Venue, Account], CheckResult]:
    return lambda _venue, _account: skipped(ACCOUNT_CHECK, until)


def _check_accounts(
    database: Database, settings: Settings, found: Sequence[CheckResult]
) -> CheckResult:
    if (until := _until_readable(settings, found)) is not None:
        return skip_accounts(until)
    return check_accounts(
        database,
        UserTable(settings.orders),
        UserTable(settings.orders_of_every_exchange),
        settings.exchange_name,
    )


def _until_readable(settings: Settings, found: Sequence[CheckResult]) -> str | None:
    """Return what must be true before open orders can be counted; None if it is."""
    statuses = {result.check: result.status for result in found}
    needed = {
        DATABASE_CHECK: "the database answers",
        "orders": f"{UserTable(settings.orders).name} is suitable",
    }
    unmet = {CheckStatus.PROBLEM, CheckStatus.SKIPPED}
    return next((until for check, until in needed.items() if statuses[check] in unmet), None)


def _symbols_check(
    database: Database, settings: Settings, found: Sequence[CheckResult]
) -> Callable[[Venue], CheckResult]:
    """Return the check that compares the table's symbols with the exchange's, or one that skips."""
    if (until := _until_readable(settings, found)) is not None:
        return _skip_symbols(until)

    def check_listed(venue: Venue) -> CheckResult:
        return check_symbols(
            database,
            UserTable(settings.orders),
            lambda: asyncio.run(read_listing(venue, settings)),
        )

    return check_listed


def _skip_symbols(until: str) -> Callable[[Venue], CheckResult]:
    return lambda _venue: skipped(SYMBOLS_CHECK, until)


def _print(results: Sequence[CheckResult]) -> None:
    rows = [
        (result.check, Text(result.status, style=_STYLES[result.status]), result.detail)
        for result in results
    ]
    print_table(["check", "", "found"], rows)
    shown: set[Problem] = set()
    for result in results:
        # A missing setting also makes other checks fail: print it once.
        print_problems(
            [one for one in result.problems if one not in shown], label=f"{result.check}: "
        )
        shown.update(result.problems)
    match overall_status(results):
        case CheckStatus.PROBLEM:
            console().print("[red]a run cannot start like this[/]")
        case _:
            console().print("[green]a run can start[/]")


def _print_json(results: Sequence[CheckResult]) -> None:
    print_json(
        {
            "verdict": overall_status(results),
            "exit_code": exit_code_of_all(results),
            "checks": [_to_dict(result) for result in results],
        }
    )


def _to_dict(result: CheckResult) -> dict[str, object]:
    return {
        "check": result.check,
        "verdict": result.status,
        "detail": result.detail,
        "problems": [asdict(problem) for problem in result.problems],
    }
