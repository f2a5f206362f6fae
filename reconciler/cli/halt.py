"""`reconciler halt`: show whether writing is stopped, and allow it again."""

import sys

import click

from reconciler.cli.database import open_database
from reconciler.cli.exit_codes import Exit
from reconciler.cli.operator_name import by_option, required_operator
from reconciler.cli.ui.options import json_option
from reconciler.cli.ui.output import print_json
from reconciler.store import shared_state


@click.group("halt")
def halt_command() -> None:
    """Show or release the halt, which stops all writing when most of a cycle looks wrong."""


@halt_command.command("status", short_help="Show whether the halt is on, and why.")
@json_option
def status_command(*, as_json: bool) -> None:
    """Show whether the halt is on, and why. Exits with code 1 if it is on."""
    with open_database("holds") as (database, settings), database.autocommit() as connection:
        reason = shared_state.read_halt(connection, settings.scope)
    if as_json:
        print_json({"is_on": reason is not None, "reason": reason})
    else:
        click.echo("the halt is off" if reason is None else f"the halt is on: {reason}")
    sys.exit(Exit.OK if reason is None else Exit.INCOMPLETE)


@halt_command.command("release", short_help="Release the halt.")
@by_option
def release_command(*, by: str | None) -> None:
    """Release the halt, because what the exchange says is true.

    A running supervisor goes on within 15 s.
    """
    operator = required_operator(by)
    with open_database("holds") as (database, settings), database.transaction() as connection:
        was_on = shared_state.release_halt(connection, settings.scope, by=operator)
    click.echo(f"the halt was released by {operator}" if was_on else "the halt is not on")
