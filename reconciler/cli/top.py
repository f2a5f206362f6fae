"""`reconciler top`: the state of the running supervisor, refreshed every second."""

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
    """Show what status shows, refreshed every second.

    Keys: s sorts by the next column, r reverses the order, p or space pauses, q quits. While the
    supervisor is away, its last answer stays, and it is asked again. Needs a terminal. Exits with
    code 69 if no supervisor answers at the start.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("top needs a terminal; anywhere else use: reconciler status")
    ask = partial(ask_supervisor, load_settings(), "status", SupervisorStatus)
    first = ask()
    with suppress(KeyboardInterrupt), interrupt_on_signals(), StatusPoller(ask, first) as poller:
        _show(poller)


class StatusPoller:
    """Asks the supervisor every second, in a thread, so that no key waits for an answer."""

    def __init__(
        self,
        ask: Callable[[], SupervisorStatus],
        first: SupervisorStatus,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._last = _LastStatus(status=first, at=monotonic(), fault=None)
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    @property
    def snapshot(self) -> Snapshot:
        """The supervisor's last answer; if there is no newer one, also the reason."""
        last = self._last
        return Snapshot(
            status=last.status,
            fault=last.fault,
            age_seconds=self._monotonic() - last.at,
        )

    def _run(self) -> None:
        while not self._ended.wait(ASK_SECONDS):
            try:
                self._last = _LastStatus(status=self._ask(), at=self._monotonic(), fault=None)
            except NoSupervisor as error:
                self._last = replace(self._last, fault=error.reason)
            except ReconcilerError as error:
                self._last = replace(self._last, fault=str(error))


@dataclass(frozen=True, kw_only=True, slots=True)
class _LastStatus:
    status: SupervisorStatus
    at: float
    fault: str | None


def _show(poller: StatusPoller) -> None:
    console = Console(highlight=False)
    with (
        keyboard(sys.stdin.fileno()) as keys,
        Live(console=console, screen=True, auto_refresh=False) as live,
    ):

        def draw(snapshot: Snapshot, options: ViewOptions) -> None:
            live.update(render_screen(snapshot, options, height=console.height), refresh=True)

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
