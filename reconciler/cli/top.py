"""`reconciler top`: the state of the running supervisor and the verdict, refreshed every second."""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import click
from rich.console import Console
from rich.live import Live

from reconciler.cli.interrupts import interrupt_on_signals
from reconciler.cli.logs import load_settings
from reconciler.cli.ui.keyboard import Keyboard, keyboard
from reconciler.cli.ui.top_view import Snapshot, ViewOptions, options_after_key, render_screen
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.errors import NoSupervisor, ReconcilerError
from reconciler.health_report import DATABASE_SECONDS, HealthReport, HealthSource, read_health
from reconciler.supervisor.status import SupervisorStatus

ASK_SECONDS = 1.0
DRAW_SECONDS = 0.5


@click.command(
    "top",
    epilog="""\b
Try it:
  reconciler top""",
)
def top_command() -> None:
    """Show the verdict and what status shows, refreshed every second.

    Uses the width and height that there is. Keys: ? shows them all, s sorts by the next column, r
    reverses the order, p or space pauses, q quits. While no supervisor answers, the verdict is that
    of the database, the supervisor's last answer stays, and it is asked again. Needs a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("top needs a terminal; anywhere else use: reconciler status")
    settings = load_settings()
    ask = partial(ask_supervisor, settings, "status", SupervisorStatus)
    poller = StatusPoller(ask, judge=partial(read_health, settings))
    with suppress(KeyboardInterrupt), interrupt_on_signals(), poller:
        _show(poller)


class StatusPoller:
    """Asks for the status and the verdict, each in a thread, so that no key waits for an answer."""

    def __init__(
        self,
        ask: Callable[[], SupervisorStatus],
        *,
        judge: Callable[[], HealthReport],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask for the first status at once.

        Raises:
            ConfigurationError: the settings do not say where a supervisor listens.
        """
        self._ask = ask
        self._judge = judge
        self._monotonic = monotonic
        try:
            self._last = _LastStatus(status=ask(), at=monotonic(), fault=None)
        except NoSupervisor as error:
            self._last = _LastStatus(status=None, at=monotonic(), fault=error.reason)
        self._health: HealthReport | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        for name, run in (("status", self._poll_status), ("verdict", self._poll_health)):
            threading.Thread(target=run, name=name, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    @property
    def snapshot(self) -> Snapshot:
        """The last answers; if there is no newer one of the supervisor, also the reason."""
        last = self._last
        return Snapshot(
            status=last.status,
            fault=last.fault,
            age_seconds=self._monotonic() - last.at,
            health=self._health,
        )

    def _poll_status(self) -> None:
        while not self._ended.wait(ASK_SECONDS):
            try:
                self._last = _LastStatus(status=self._ask(), at=self._monotonic(), fault=None)
            except NoSupervisor as error:
                self._last = replace(self._last, fault=error.reason)
            except ReconcilerError as error:
                self._last = replace(self._last, fault=str(error))

    def _poll_health(self) -> None:
        seconds = 0.0
        while not self._ended.wait(seconds):
            self._health = self._judge()
            is_live = self._health.source is HealthSource.SUPERVISOR
            seconds = ASK_SECONDS if is_live else DATABASE_SECONDS


@dataclass(frozen=True, kw_only=True, slots=True)
class _LastStatus:
    status: SupervisorStatus | None
    at: float
    fault: str | None


def _show(poller: StatusPoller) -> None:
    console = Console(highlight=False)
    with (
        keyboard(sys.stdin.fileno()) as keys,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):

        def draw(snapshot: Snapshot, options: ViewOptions) -> None:
            # The size is asked for each time: it changes when the terminal's window does.
            width, height = console.size
            screen = render_screen(snapshot, options, width=width, height=height)
            live.update(screen, refresh=True)

        _refresh_until_quit(poller, keys, draw)


def _refresh_until_quit(
    poller: StatusPoller, keys: Keyboard, draw: Callable[[Snapshot, ViewOptions], None]
) -> None:
    """Redraw the screen until the user quits."""
    options, snapshot = ViewOptions(), poller.snapshot
    while not keys.is_gone:
        if not options.is_paused:
            snapshot = poller.snapshot
        draw(snapshot, options)
        for key in keys.wait(DRAW_SECONDS):
            new_options = options_after_key(key, options)
            if new_options is None:
                return
            options = new_options
