"""The `reconciler` command and its subcommands, each imported when it is called."""

import importlib
from difflib import get_close_matches
from typing import Any

import click

from reconciler import __version__
from reconciler.cli.errors import reporting_errors

_COMMANDS = {
    "run": ("reconciler.cli.run", "Keep the orders true: the supervisor and its workers."),
    "demo": ("reconciler.cli.demo", "See it work, on a database and an exchange of its own."),
    "check": ("reconciler.cli.check", "Check settings, database and exchange before a start."),
    "status": ("reconciler.cli.status", "Show shards, backlog and last cycles while it runs."),
    "top": ("reconciler.cli.top", "The same, refreshed in place."),
    "scale": ("reconciler.cli.scale", "Change the number of shards while it runs."),
    "health": ("reconciler.cli.health", "One verdict, for cron and monitoring."),
    "db": ("reconciler.cli.db", "Make or upgrade our tables and the index."),
    "explain": ("reconciler.cli.explain", "Why an order is, or is not, being reconciled."),
    "audit": ("reconciler.cli.audit", "Show an order's history from the activity log."),
    "holds": ("reconciler.cli.holds", "Decide the orders that need a person."),
    "halt": ("reconciler.cli.halt", "See whether writing is stopped; allow it again."),
    "account": ("reconciler.cli.account", "Whose orders these are, at the exchange."),
    "tune": ("reconciler.cli.tune", "Try out how many shards are best for your orders."),
    "paper": ("reconciler.cli.paper", "Run the paper exchange, to try things out against."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command.

        Raises:
            click.UsageError: there is none of that name; names one that is spelled alike.
        """
        if cmd_name not in _COMMANDS:
            raise click.UsageError(f"No such command {cmd_name!r}.{_suggestion(cmd_name)}", ctx)
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; no traceback leaves here."""
        with reporting_errors():
            return super().invoke(ctx)


def _suggestion(name: str) -> str:
    alike = get_close_matches(name, _COMMANDS, n=1)
    return f" Did you mean {alike[0]!r}?" if alike else ""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
New here?
  reconciler demo                   see it work in a minute, nothing needed
  reconciler check                  what your database and exchange still lack
  reconciler run --once --dry-run   what it would change; writes nothing""",
)
@click.version_option(__version__, prog_name="reconciler")
def cli() -> None:
    """Keep a trading platform's orders true.

    The reconciler takes the orders in PostgreSQL that are open and have not been synced for a
    while, asks the exchange about them, and makes the rows true, with an audit trail.

    Every option is also an environment variable; a flag beats the environment, which beats .env.
    """
