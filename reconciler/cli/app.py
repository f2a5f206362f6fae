"""The `reconciler` command and its subcommands, each imported when it is called."""

import importlib
from difflib import get_close_matches
from typing import Any

import click
from click.shell_completion import CompletionItem

from reconciler import __version__
from reconciler.cli.errors import reporting_errors

_COMMANDS = {
    "run": ("reconciler.cli.run", "Reconcile stale orders: once, or until stopped."),
    "demo": ("reconciler.cli.demo", "See it work, with its own database and exchange."),
    "init": ("reconciler.cli.init", "Propose reconciler.toml from your database, and write it."),
    "check": ("reconciler.cli.check", "Check settings, database and exchange before a run."),
    "status": ("reconciler.cli.status", "Show what the running supervisor is doing."),
    "top": ("reconciler.cli.top", "Show the same, refreshed every second."),
    "console": (
        "reconciler.cli.console",
        "Show the state, holds and changes in a browser.",
    ),
    "scale": ("reconciler.cli.scale", "Change the number of shards of the running supervisor."),
    "health": ("reconciler.cli.health", "Print one verdict, for cron and monitoring."),
    "db": ("reconciler.cli.db", "Create or upgrade the reconciler's tables and index."),
    "explain": ("reconciler.cli.explain", "Explain why an order is, or is not, being reconciled."),
    "audit": ("reconciler.cli.audit", "Show an order's history, or replay past changes."),
    "changes": ("reconciler.cli.changes", "List what was changed lately, and follow it."),
    "holds": ("reconciler.cli.holds", "List, accept or dismiss the orders that need a person."),
    "halt": ("reconciler.cli.halt", "Show whether writing is stopped, and allow it again."),
    "account": ("reconciler.cli.account", "Show or confirm the account that the orders belong to."),
    "tune": ("reconciler.cli.tune", "Measure which number of shards is best for your orders."),
    "paper": ("reconciler.cli.paper", "Run the paper exchange, a simulated exchange."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command.

        Raises:
            click.UsageError: there is no such command; suggests one with a similar name.
        """
        if cmd_name not in _COMMANDS:
            raise click.UsageError(f"No such command {cmd_name!r}.{_suggestion(cmd_name)}", ctx)
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), f"{cmd_name}_command")
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing the commands, which takes a second."""
        return [
            *(
                CompletionItem(name, help=summary)
                for name, (_, summary) in _COMMANDS.items()
                if name.startswith(incomplete)
            ),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; no traceback leaves here."""
        with reporting_errors():
            return super().invoke(ctx)


def _suggestion(name: str) -> str:
    similar = get_close_matches(name, _COMMANDS, n=1)
    return f" Did you mean {similar[0]!r}?" if similar else ""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
New here?
  reconciler demo                   see it work in a minute; needs no set-up
  reconciler init                   point it at the table that you have
  reconciler check                  see what your database and exchange lack
  reconciler run --once --dry-run   see what it would change; writes nothing""",
)
@click.version_option(__version__, prog_name="reconciler")
def cli() -> None:
    """Reconcile the orders in your database with the exchange.

    The reconciler finds open orders that have not been synced for a while, asks the exchange
    about them, corrects their rows, and records every change.

    Every option is also an environment variable. A flag beats the environment, which beats .env,
    which beats reconciler.toml.
    """
