"""`reconciler status`: the state of the running supervisor."""

import click

from reconciler.cli.logs import load_settings
from reconciler.cli.ui import status_view
from reconciler.cli.ui.options import json_option
from reconciler.cli.ui.output import console, print_json
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.supervisor.status import SupervisorStatus


@click.command(
    "status",
    epilog="""\b
Try it:
  reconciler status
  reconciler status --json""",
)
@json_option
def status_command(*, as_json: bool) -> None:
    """Show what the running supervisor is doing: its shards, its backlog, its last cycles.

    Asks the supervisor of the same user, host and DATABASE_URL. Exits with code 69 if none answers.
    """
    status = ask_supervisor(load_settings(), "status", SupervisorStatus)
    if as_json:
        print_json(status)
    else:
        _print(status)


def _print(status: SupervisorStatus) -> None:
    out = console()
    for line in (
        status_view.headline(status),
        *status_view.summary(status),
        *status_view.history(status),
    ):
        out.print(line, soft_wrap=True)
    out.print()
    out.print(status_view.shards_table(status.workers))
    if faults := list(status_view.faults(status.workers)):
        out.print()
        for line in faults:
            out.print(line, soft_wrap=True)
    if status.cycles:
        out.print("\n[bold]last cycles[/]")
        out.print(status_view.cycles_table(status.cycles))
