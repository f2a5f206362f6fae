"""`reconciler status`: the verdict, and the state of the running supervisor."""

import click

from reconciler.cli.logs import load_settings
from reconciler.cli.ui import status_view, verdict_view
from reconciler.cli.ui.options import json_option
from reconciler.cli.ui.output import console, print_json
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.health_report import HealthReport, read_health
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
    """Show the verdict, and what the running supervisor is doing: shards, backlog, last cycles.

    Asks the supervisor of the same user, host and DATABASE_URL. Exits with code 69 if none answers.
    """
    settings = load_settings()
    status = ask_supervisor(settings, "status", SupervisorStatus)
    if as_json:
        print_json(status)
    else:
        _print(status, read_health(settings))


def _print(status: SupervisorStatus, health: HealthReport) -> None:
    out = console()
    holds = verdict_view.holds_line(health)
    for line in (
        *verdict_view.verdict_lines(health, width=out.width),
        status_view.headline(status),
        *status_view.summary(status),
        *([] if holds is None else [holds]),
        *status_view.history(status),
    ):
        out.print(line, soft_wrap=True)
    out.print()
    out.print(status_view.shards_table(status.workers, width=out.width))
    if faults := list(status_view.faults(status.workers)):
        out.print()
        for line in faults:
            out.print(line, soft_wrap=True)
    if status.cycles:
        out.print("\n[bold]last cycles[/]")
        out.print(status_view.cycles_table(status.cycles, width=out.width))
