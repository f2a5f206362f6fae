"""`reconciler health`: one verdict, for cron, Nagios and load balancers.

Once it runs, it exits with 0, 1, 2 or 3 and with no other code, and prints everything on standard
output: Nagios takes any other code for another verdict, and reads nothing else.
"""

import sys

import click
from rich.text import Text

from reconciler.cli.logs import load_settings
from reconciler.cli.ui.options import json_option
from reconciler.cli.ui.output import print_json, print_problems, print_table
from reconciler.errors import ConfigurationError
from reconciler.health_report import HealthReport, read_health
from reconciler.telemetry.health import Grade

_STYLES = {
    Grade.HEALTHY: "green",
    Grade.WARNING: "yellow",
    Grade.CRITICAL: "bold red",
    Grade.UNKNOWN: "dim",
}


@click.command(
    "health",
    epilog="""\b
Try it:
  reconciler health
  reconciler health --json""",
)
@json_option
def health_command(*, as_json: bool) -> None:
    """Print one verdict with its reasons.

    Asks the running supervisor or, if none answers, the database, which has the cycles of all
    hosts. Exits with code 0 healthy, 1 warning, 2 critical, 3 unknown, for whatever reason. The
    first line is for Nagios.
    """
    health = _read()
    show = _print_json if as_json else _print
    show(health)
    sys.exit(health.exit_code)


def _read() -> HealthReport:
    try:
        settings = load_settings()
    except ConfigurationError as error:
        return HealthReport.unknown(error)
    return read_health(settings)


def _print(health: HealthReport) -> None:
    click.echo(health.headline)
    print_problems(health.problems)
    if health.rows:
        rows = [
            (row.name, row.value, Text(row.grade.value, style=_STYLES[row.grade]))
            for row in health.rows
        ]
        print_table(["", "", ""], rows)
    if health.note is not None:
        click.echo(f"\nasked the database: {health.note}")
    if health.reasons:
        actions = [(row.name, row.command, row.runbook) for row in health.reasons]
        click.echo()
        print_table(["reason", "type", "read in docs/how-to"], actions)


def _print_json(health: HealthReport) -> None:
    print_json(
        {
            "status": health.status,
            "reasons": health.reasons,
            "rows": health.rows,
            "source": health.source,
            "note": health.note,
        }
    )
