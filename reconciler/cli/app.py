"""The `reconciler` command: its subcommands, imported when called, and its exit codes.

 0  good                                    75  try again later
 1  done, but some orders failed or differ  78  configuration is wrong
 2  usage                                  130  interrupted before anything was at stake
69  a service that must be there is not
"""

import importlib
import sys
from enum import IntEnum
from typing import Any

import click

from reconciler import __version__
from reconciler.errors import (
    BreakerOpen,
    ConfigurationError,
    ReconcilerError,
    Refused,
    StoreUnavailable,
    Unavailable,
)


class Exit(IntEnum):
    """Exit codes; the numbers above 63 are those of sysexits.h."""

    GOOD = 0
    INCOMPLETE = 1
    USAGE = 2
    UNAVAILABLE = 69
    TRY_AGAIN = 75
    CONFIGURATION = 78
    INTERRUPTED = 130


_COMMANDS = {
    "run": ("reconciler.cli.run", "Keep the orders true: the supervisor and its workers."),
    "demo": ("reconciler.cli.demo", "See it work, on a database and an exchange of its own."),
    "check": ("reconciler.cli.check", "Check settings, database and exchange before a start."),
    "db": ("reconciler.cli.db", "Make or upgrade our tables and the index."),
    "audit": ("reconciler.cli.audit", "Show an order's history from the activity log."),
    "paper": ("reconciler.cli.paper", "Run the paper exchange, to try things out against."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command."""
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn our errors into a message on standard error and an exit code."""
        try:
            return super().invoke(ctx)
        except ReconcilerError as error:
            click.echo(
                click.style("error: ", fg="red", bold=True, reset=True) + str(error), err=True
            )
            if isinstance(error, Refused):
                click.echo(f"  mend: {error.mend}", err=True)
            sys.exit(exit_code_of(error))
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(Exit.INTERRUPTED)


def exit_code_of(error: ReconcilerError) -> Exit:
    """Return the exit code for an error that ended a command."""
    match error:
        case ConfigurationError() | Refused():
            return Exit.CONFIGURATION
        case StoreUnavailable() | Unavailable():
            return Exit.UNAVAILABLE
        case BreakerOpen():
            return Exit.TRY_AGAIN
        case _:
            return Exit.INCOMPLETE


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reconciler")
def cli() -> None:
    r"""Keep a trading platform's orders true.

    The reconciler takes the orders in PostgreSQL that are open and have not been synced for a
    while, asks the exchange about them, and makes the rows true, with an audit trail.

    \b
    New here?
      reconciler demo      see it work in a minute, nothing needed
      reconciler check     your own database and exchange: what is still missing

    Every option is also an environment variable; a flag beats the environment, which beats .env.
    """
