"""Errors as a person sees them: what happened and how to fix it, never a traceback."""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from reconciler.cli.exit_codes import Exit, exit_code_of
from reconciler.error_hints import problems_of
from reconciler.errors import ConfigurationError, Problem, ReconcilerError

if TYPE_CHECKING:  # Loaded only when something is wrong: a command's start need not wait for it.
    from reconciler.settings import Settings


@contextmanager
def reporting_errors(settings_class: "type[Settings] | None" = None) -> Iterator[None]:
    """Turn an error that ends the block into a message on standard error and an exit code.

    click's own exceptions pass, for click to show. The secrets in `settings_class`, `Settings` by
    default, are never shown.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        click.echo("\ninterrupted" if _is_terminal() else "interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except ReconcilerError as error:
        _print(problems_of(error))
        sys.exit(exit_code_of(error))
    except Exception as error:  # noqa: BLE001 - the top of the program: nothing above would report it
        if _is_no_space(error):
            _print([_output_problem(error)])
            _drop_output()
            sys.exit(Exit.OUTPUT_FAILED)
        _log_bug(error, settings_class)
        _print([_bug_problem(error)])
        sys.exit(Exit.SOFTWARE)


def _is_no_space(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _drop_output() -> None:
    """Discard what standard output still holds: Python would fail on it again, with code 120.

    Only some versions do so (3.11.2 does, 3.11.7 does not).
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _output_problem(error: Exception) -> Problem:
    return Problem(
        what=f"the output could not be written: {error}",
        hint="make room where the output goes; what the command had already done stays done",
    )


def _bug_problem(error: Exception) -> Problem:
    from reconciler.telemetry.redact import redact  # noqa: PLC0415 - only when something is wrong

    return Problem(
        what=redact(f"this should not have happened: {type(error).__name__}: {error}"),
        hint="run it again with LOG_LEVEL=DEBUG, and report the traceback that it then logs",
    )


def _log_bug(error: Exception, settings_class: "type[Settings] | None") -> None:
    """Write the traceback to the log, without secrets.

    On a terminal only at DEBUG, since the person can run the command again; in a log that is kept,
    always.
    """
    import structlog  # noqa: PLC0415 - only when something is wrong

    from reconciler.cli.logs import set_up_logs  # noqa: PLC0415 - only when something is wrong
    from reconciler.settings import Settings  # noqa: PLC0415 - only when something is wrong

    try:
        settings = (settings_class or Settings).load()
    except ConfigurationError:
        return
    set_up_logs(settings)
    is_kept = settings.log_format == "json" or not _is_terminal()
    if is_kept or settings.log_level == "DEBUG":
        structlog.get_logger(__name__).error("command.crashed", exc_info=error)


def _print(problems: Sequence[Problem]) -> None:
    from reconciler.cli.ui.output import print_problems  # noqa: PLC0415 - only when something is wrong

    print_problems(problems, label="error: ", stderr=True)


def _is_terminal() -> bool:
    return sys.stderr.isatty()
