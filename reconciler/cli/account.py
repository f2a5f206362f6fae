"""`reconciler account`: the exchange account that the orders belong to."""

import asyncio

import click

from reconciler.cli.checks.exchange import read_account
from reconciler.cli.database import open_database
from reconciler.cli.operator_name import by_option, required_operator
from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.configured_venue import configured_venue
from reconciler.orders.account import UNNAMED, UNNAMED_HINT
from reconciler.store import shared_state


@click.group("account")
def account_command() -> None:
    """Show or confirm the exchange account that the orders belong to.

    It is remembered at the first contact. With a key of another account nothing is written.
    """


@account_command.command("show")
def show_command() -> None:
    """Show the remembered account."""
    with open_database("holds") as (database, settings), database.autocommit() as connection:
        known = shared_state.read_account(connection, settings.scope, settings.exchange_name)
    if known is None:
        click.echo(f"no account at {settings.exchange_name} is remembered yet")
    else:
        click.echo(f"the orders belong to account {known} at {settings.exchange_name}")


@account_command.command("confirm", short_help="Remember the account of the present key.")
@by_option
def confirm_command(*, by: str | None) -> None:
    """Ask the exchange for the account of the present key, and remember it as the right one."""
    operator = required_operator(by)
    with open_database("holds") as (database, settings):
        found = configured_venue(settings)
        account = asyncio.run(read_account(found, settings))
        if account.identity is None:
            raise ConfigurationError([Problem(what=UNNAMED, hint=UNNAMED_HINT)])
        with database.transaction() as connection:
            shared_state.confirm_account(
                connection, settings.scope, found.name, account.identity, by=operator
            )
    click.echo(f"the orders belong to account {account.identity}, confirmed by {operator}")
