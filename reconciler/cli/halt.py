"""`reconciler halt`: see whether writing is stopped, and allow it again."""

import sys

import click

from reconciler.cli.database import open_database
from reconciler.cli.exit_codes import Exit
from reconciler.cli.operator_name import by_option, required_operator
from reconciler.cli.ui.options import json_option
from reconciler.cli.ui.output import print_json
from reconciler.store import shared_state


@click.group("halt", short_help="See whether writing is stopped, and allow it again.")
def halt_command() -> None:
    """The halt stops all writing when a whole cycle of orders looks wrong at once."""


@halt_command.command("status")
@json_option
def status_command(*, as_json: bool) -> None:
    """Say whether the halt is on, and why. Ends with code 1 if it is on."""
    with open_database("holds") as (database, _), database.autocommit() as connection:
        reason = shared_state.read_halt(connection)
    if as_json:
        print_json({"is_on": reason is not None, "reason": reason})
    else:
        click.echo("the halt is off" if reason is None else f"the halt is on: {reason}")
    sys.exit(Exit.GOOD if reason is None else Exit.INCOMPLETE)


@halt_command.command("release")
@by_option
def release_command(*, by: str | None) -> None:
    """Take the halt off: what comes back so is true. A running supervisor goes on within 15 s."""
    operator = required_operator(by)
    with open_database("holds") as (database, _), database.transaction() as connection:
        was_on = shared_state.release_halt(connection, by=operator)
    click.echo(f"the halt was released by {operator}" if was_on else "the halt is not on")
