"""`reconciler brake`: see whether writing is stopped, and allow it again."""

import sys

import click

from reconciler.cli.exits import Exit
from reconciler.cli.holds import by_option, named, opened_database
from reconciler.cli.options import json_option
from reconciler.cli.output import print_json
from reconciler.store import state


@click.group("brake", short_help="See whether writing is stopped, and allow it again.")
def brake_command() -> None:
    """The brake stops all writing when a whole cycle of orders looks wrong at once."""


@brake_command.command("status")
@json_option
def status_command(*, as_json: bool) -> None:
    """Say whether the brake is on, and why. Ends with code 1 if it is on."""
    with opened_database() as (database, _), database.autocommit() as connection:
        reason = state.read_brake(connection)
    if as_json:
        print_json({"is_on": reason is not None, "reason": reason})
    else:
        click.echo("the brake is off" if reason is None else f"the brake is on: {reason}")
    sys.exit(Exit.GOOD if reason is None else Exit.INCOMPLETE)


@brake_command.command("release")
@by_option
def release_command(*, by: str | None) -> None:
    """Take the brake off: what comes back so is true. A running supervisor goes on within 15 s."""
    name = named(by)
    with opened_database() as (database, _), database.transaction() as connection:
        was_on = state.release_brake(connection, by=name)
    click.echo(f"the brake was released by {name}" if was_on else "the brake is not on")
