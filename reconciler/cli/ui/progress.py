"""Progress of long work: on standard error, never in a result.

A terminal shows something that moves, and nothing of it stays at the end, after an error or after
Ctrl-C. A pipe, or a terminal that cannot move its cursor, gets a line at the start and one every
few seconds.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from reconciler.cli.ui.output import console
from reconciler.formatting import duration
from reconciler.supervisor.summary import Summary

LINE_SECONDS = 5.0
"""The time between two lines in a pipe."""

SHOW_AFTER_SECONDS = 2.0
"""Work that takes less shows no progress."""

_DONE = "{task.completed:,.0f}"
_DONE_OF_TOTAL = "{task.completed:,.0f} of {task.total:,.0f}"


class _Elapsed(ProgressColumn):
    """The time since the work began, as it is written everywhere: `3 min 4 s`."""

    def render(self, task: Task) -> Text:
        return Text(duration(task.finished_time or task.elapsed or 0.0), style="progress.elapsed")


def can_move(out: Console) -> bool:
    """Return True if progress is shown in place, False if line by line."""
    return out.is_terminal and not out.is_dumb_terminal


@contextmanager
def show_activity(what: str, *, line_seconds: float = LINE_SECONDS) -> Iterator[None]:
    """Show while the block runs that `what` is being done, and for how long."""
    out = console(stderr=True)
    if not can_move(out):
        out.print(f"{what} ...")
        with _repeating_line(out, what, line_seconds):
            yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), _Elapsed())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task(what, total=1)
        yield
        progress.update(task, completed=1)


@contextmanager
def _repeating_line(out: Console, what: str, line_seconds: float) -> Iterator[None]:
    finished = threading.Event()
    started = time.monotonic()

    def remind() -> None:
        while not finished.wait(line_seconds):
            out.print(f"{what}: {duration(time.monotonic() - started)} so far ...")

    thread = threading.Thread(target=remind, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


@dataclass(frozen=True, kw_only=True)
class StepProgress:
    """The progress of work in steps.

    Attributes:
        begin: Show a step in place of the one before.
        print_line: Print a line that stays.
        while_hidden: Hide the progress while a function prints a result.
    """

    begin: Callable[[str], None]
    print_line: Callable[[str], None]
    while_hidden: Callable[[Callable[[], None]], None]


@contextmanager
def step_progress() -> Iterator[StepProgress]:
    """Show the progress of work in steps until the block ends."""
    out = console(stderr=True)

    def print_line(line: str) -> None:
        out.print(line, markup=False)

    if not can_move(out):
        yield StepProgress(
            begin=lambda step: print_line(f"{step} ..."),
            print_line=print_line,
            while_hidden=lambda act: act(),
        )
        return
    with out.status("") as status:

        def while_hidden(act: Callable[[], None]) -> None:
            status.stop()
            act()
            status.start()

        yield StepProgress(
            begin=lambda step: status.update(escape(step)),
            print_line=print_line,
            while_hidden=while_hidden,
        )


class ReconcileProgress(AbstractContextManager["ReconcileProgress"]):
    """Shows the number of orders done; `total` is None if they have not been counted.

    With `has_lines` False a pipe gets no lines, because the log goes there.
    """

    def __init__(
        self,
        total: int | None = None,
        *,
        has_lines: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._has_lines = has_lines
        self._monotonic = monotonic
        self._console = console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("reconciling"),
            *([] if total is None else [BarColumn(bar_width=20)]),
            TextColumn(_DONE if total is None else _DONE_OF_TOTAL),
            TextColumn("orders, weight {task.fields[weight]:,}"),
            _Elapsed(),
            console=self._console,
            disable=not can_move(self._console),
            transient=True,
        )
        self._task = self._progress.add_task("", total=total, weight=0)
        self._last_line = monotonic()

    def __enter__(self) -> Self:
        try:
            self._progress.start()
        except BaseException:  # Ctrl-C in between would leave its line and no cursor
            self._progress.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, summary: Summary) -> None:
        """Show the progress so far."""
        done, weight = summary.counts.scanned, summary.counts.weight
        self._progress.update(self._task, completed=done, weight=weight)
        if self._has_lines and not can_move(self._console) and self._is_line_due():
            of_all = "" if self._total is None else f" of {self._total:,}"
            self._console.print(f"reconciling: {done:,}{of_all} orders, weight {weight:,}")

    def _is_line_due(self) -> bool:
        now = self._monotonic()
        is_due = now - self._last_line >= LINE_SECONDS
        if is_due:
            self._last_line = now
        return is_due


class CountProgress(AbstractContextManager["CountProgress"]):
    """Shows the number done of a known total; nothing if all are done within two seconds."""

    def __init__(
        self, what: str, total: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._total = total
        self._monotonic = monotonic
        self._console = console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn(_DONE_OF_TOTAL),
            _Elapsed(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(what, total=total)
        self._is_shown = False
        self._next_at = monotonic() + SHOW_AFTER_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._progress.stop()

    def update(self, done: int) -> None:
        """Show the number done."""
        self._progress.update(self._task, completed=done)
        if self._monotonic() < self._next_at:
            return
        if not can_move(self._console):
            self._console.print(f"{self._what}: {done:,} of {self._total:,}")
            self._next_at = self._monotonic() + LINE_SECONDS
        elif not self._is_shown:
            self._is_shown = True
            self._progress.start()
