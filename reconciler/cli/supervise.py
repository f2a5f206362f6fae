"""Run a supervisor from a command: logs, metrics, progress, and what its ending means."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Self

from pydantic import SecretStr
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from reconciler.cli.app import Exit
from reconciler.cli.output import console
from reconciler.settings import Settings
from reconciler.supervisor.parent import Ending, Options, Summary, Supervisor
from reconciler.telemetry.logs import configure_logs
from reconciler.telemetry.metrics import open_metrics
from reconciler.worker.workload import Workload

PLAIN_PROGRESS_SECONDS = 5.0


def supervise(
    workload: Workload,
    options: Options,
    settings: Settings,
    *,
    on_progress: Callable[[Summary], None] = lambda _: None,
) -> Summary:
    """Run a supervisor until it is finished or told to stop."""
    supervisor = Supervisor(
        workload,
        options,
        metrics=open_metrics(settings.statsd),
        prepare_worker=partial(worker_logs, settings),
        on_progress=on_progress,
    )
    return asyncio.run(supervisor.run())


def parent_logs(settings: Settings, *, level: str | None = None) -> None:
    """Set up this process's log."""
    configure_logs(level or settings.log_level, settings.log_format, secrets=secrets_of(settings))


def worker_logs(settings: Settings, shard: int) -> Callable[[], None]:
    """Return what sets up the log of a shard's worker; it is sent there and called there."""
    return partial(
        configure_logs,
        settings.log_level,
        settings.log_format,
        secrets=secrets_of(settings),
        context={"shard": shard},
    )


def secrets_of(settings: Settings) -> tuple[SecretStr, ...]:
    """Return every secret among the settings."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return tuple(value for value in values if isinstance(value, SecretStr))


def exit_code_of_ending(ending: Ending, *, is_complete: bool) -> Exit:
    """Return the exit code for how a supervisor ended."""
    match ending:
        case Ending.STORE_GONE:
            return Exit.UNAVAILABLE
        case Ending.EXCHANGE_GONE:
            return Exit.TRY_AGAIN
        case Ending.STOPPED:
            return Exit.GOOD
        case Ending.SWEPT:
            return Exit.GOOD if is_complete else Exit.INCOMPLETE


class ReconcileProgress(AbstractContextManager["ReconcileProgress"]):
    """Shows how far a known number of orders has come, on standard error.

    A bar on a terminal, a line now and then in a pipe.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._console = console(stderr=True)
        self._progress = Progress(
            TextColumn("reconciling"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("orders, {task.fields[weight]} weight"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total, weight=0)
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, summary: Summary) -> None:
        """Show what has been done so far."""
        done = summary.tally.scanned
        self._progress.update(self._task, completed=done, weight=f"{summary.tally.weight:,}")
        due = time.monotonic() - self._last_line > PLAIN_PROGRESS_SECONDS
        if due and not self._console.is_terminal:
            self._last_line = time.monotonic()
            self._console.print(f"reconciling: {done:,} of {self._total:,} orders")
