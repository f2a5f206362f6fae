"""The command line of a workload of your own, as `reconciler run` is that of orders.

`docs/how-to/add-a-worker.md` builds a workload with it.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from inspect import getdoc
from typing import Any, TypeVar

import click

from reconciler.cli.errors import reporting_errors
from reconciler.cli.logs import set_up_supervisor_logs
from reconciler.cli.run_report import RunReport
from reconciler.cli.runner import (
    exit_code_of_stop,
    make_reload,
    print_early_stop,
    run_supervisor,
)
from reconciler.cli.ui.options import json_option, once_option, shards_option
from reconciler.cli.ui.output import print_json, print_table
from reconciler.settings import Settings
from reconciler.supervisor.summary import Summary
from reconciler.telemetry.standard_error import protect_standard_error
from reconciler.workload import Workload

S = TypeVar("S", bound=Settings)


def main(workload_of: Callable[[S], Workload], settings_class: type[S]) -> None:
    """Run a workload as a program: read arguments and settings, supervise, exit.

    Options, logs, metrics, signals and exit codes are those of `reconciler run`. Call it only where
    `__name__` is `"__main__"`: every worker imports the program's main module again.

    Args:
        workload_of: Builds the workload from the settings. `--help` shows its docstring.
        settings_class: `Settings`, or a subclass with settings of the workload's own.
    """

    @click.command(
        help=getdoc(workload_of), context_settings={"help_option_names": ["-h", "--help"]}
    )
    @shards_option
    @once_option
    @json_option
    def command(*, once: bool, as_json: bool, **flags: Any) -> None:
        with reporting_errors(settings_class):
            settings = settings_class.load(**flags)
            set_up_supervisor_logs(settings, is_once=once)
            started = time.monotonic()
            summary = run_supervisor(
                workload_of(settings),
                settings,
                is_once=once,
                reload=None if once else make_reload(workload_of, settings, flags),
            )
            seconds = time.monotonic() - started
            report = RunReport.of(summary, seconds=seconds, shards=settings.shards)
            _print_result(report, summary, is_once=once, as_json=as_json)
            sys.exit(
                exit_code_of_stop(
                    summary.ending,
                    is_complete=report.is_complete,
                    killed_at_stop=summary.killed_at_stop,
                )
            )

    protect_standard_error()
    command()


def _print_result(report: RunReport, summary: Summary, *, is_once: bool, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
    elif is_once:
        _print_counts(report)
    print_early_stop(summary)


def _print_counts(report: RunReport) -> None:
    rows = [
        ("looked at", report.orders),
        ("done", report.reconciled),
        ("failed", report.errors),
        ("on hold", report.held),
        ("locked by others", report.skipped_locked),
        ("seconds", report.seconds),
        ("worker restarts", report.restarts),
    ]
    print_table(["", ""], rows, title="What was done")
