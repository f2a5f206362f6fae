"""`reconciler status`: what the running supervisor says of itself."""

import click

from reconciler.cli import panel
from reconciler.cli.live import ask_supervisor
from reconciler.cli.logs import load_settings
from reconciler.cli.options import json_option
from reconciler.cli.output import console, print_json
from reconciler.supervisor.status import Status


@click.command(
    "status",
    short_help="Show shards, backlog and last cycles of the running supervisor.",
    epilog="""\b
Try it:
  reconciler status
  reconciler status --json""",
)
@json_option
def status_command(*, as_json: bool) -> None:
    """Show what the running supervisor is doing: its shards, its backlog, its last cycles.

    Asks the supervisor of this user on this host for DATABASE_URL. Ends with code 69 if none
    answers.
    """
    status = ask_supervisor(load_settings(), "status", Status)
    if as_json:
        print_json(status)
    else:
        _print(status)


def _print(status: Status) -> None:
    out = console()
    for line in (panel.headline(status), *panel.summary(status), *panel.history(status)):
        out.print(line, soft_wrap=True)
    out.print()
    out.print(panel.shards_table(status.workers))
    if troubles := list(panel.troubles(status.workers)):
        out.print()
        for line in troubles:
            out.print(line, soft_wrap=True)
    if status.cycles:
        out.print("\n[bold]last cycles[/]")
        out.print(panel.cycles_table(status.cycles))
