"""`reconciler top`: its screen and keys as functions, and the whole on a real terminal."""

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from reconciler.cli.ui.top_view import Snapshot, ViewOptions, options_after_key, render_screen
from reconciler.supervisor.status import SupervisorStatus

from .conftest import Invoke
from .fake_control_server import FakeControlServer, a_shard, a_status

DEADLINE_SECONDS = 300.0
OURS = b"\x1b[?1049h"
"""The sequence that opens the alternate screen; `l` instead of `h` closes it."""

BY_QUEUED = b"\x1b[1;7m     v"
"""The mark over the column `queued`, in bold and reversed."""

ON_A_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(terminal, number)
os.execv(sys.executable, [sys.executable, "-m", "reconciler", "top"])
"""


def shown(snapshot: Snapshot, options: ViewOptions, *, height: int = 24) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=80, height=height)
    console.print(render_screen(snapshot, options, height=height))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def a_snapshot(status: SupervisorStatus, fault: str | None = None) -> Snapshot:
    return Snapshot(status=status, fault=fault, age_seconds=12)


@pytest.mark.parametrize("shards", [1, 8, 64])
@pytest.mark.parametrize("height", [24, 50])
def test_the_screen_fits_the_height_and_counts_hidden_shards(shards: int, height: int) -> None:
    workers = [a_shard(number, fault="it is wrong") for number in range(shards)]

    lines = shown(a_snapshot(a_status(*workers, halted="suspicious")), ViewOptions(), height=height)

    rows = [line for line in lines if " ready " in line]
    rest = shards - len(rows)
    assert len(lines) == height
    assert lines[-1].lstrip().startswith("s  sort by the next column")
    assert (f"and {rest} more shards" in lines) is bool(rest)


def test_keys_choose_the_order_and_unknown_keys_do_nothing() -> None:
    by_buckets = options_after_key("s", ViewOptions())

    assert by_buckets == ViewOptions(sort="buckets")
    assert options_after_key("r", ViewOptions()) == ViewOptions(is_reversed=True)
    assert options_after_key("s", ViewOptions(sort="memory", is_reversed=True)) == ViewOptions()
    assert (
        options_after_key("p", ViewOptions())
        == options_after_key(" ", ViewOptions())
        == ViewOptions(is_paused=True)
    )
    assert options_after_key("p", ViewOptions(is_paused=True)) == ViewOptions()
    assert options_after_key("x", ViewOptions()) == ViewOptions()
    assert options_after_key("q", ViewOptions()) is None


def test_the_largest_come_first_and_reversed_last() -> None:
    workers = [a_shard(0, queued=5), a_shard(1, queued=70), a_shard(2, queued=5)]

    def ordered(options: ViewOptions) -> list[int]:
        return [worker.shard for worker in options.sorted(workers)]

    assert ordered(ViewOptions()) == [0, 1, 2]
    assert ordered(ViewOptions(is_reversed=True)) == [2, 1, 0]
    assert ordered(ViewOptions(sort="queued")) == [1, 0, 2]
    assert ordered(ViewOptions(sort="queued", is_reversed=True)) == [0, 2, 1]


def test_the_sort_column_is_marked_with_its_direction() -> None:
    def marked(options: ViewOptions) -> tuple[str, str]:
        lines = shown(a_snapshot(a_status()), options)
        titles = next(index for index, line in enumerate(lines) if line.startswith("shard  "))
        (mark,) = re.finditer(r"[\^v]", lines[titles - 1])
        return lines[titles][: mark.end()].split()[-1], mark[0]

    assert marked(ViewOptions()) == ("shard", "^")
    assert marked(ViewOptions(sort="queued")) == ("queued", "v")
    assert marked(ViewOptions(sort="queued", is_reversed=True)) == ("queued", "^")
    assert marked(ViewOptions(sort="in flight")) == ("flight", "v")


def test_top_shows_a_lost_supervisor_and_a_pause() -> None:
    lost = shown(a_snapshot(a_status(), "nothing listens there"), ViewOptions())
    paused = shown(a_snapshot(a_status()), ViewOptions(is_paused=True))

    assert lost[1] == "no answer for 12 s: nothing listens there; asking again"
    assert paused[1] == "paused; press p to continue"


class Terminal:
    """A terminal with `reconciler top` on it."""

    def __init__(self, path: Path) -> None:
        self._ours, self._theirs = os.openpty()
        termios.tcsetwinsize(self._theirs, (24, 80))
        self.before = termios.tcgetattr(self._theirs)
        self.written = b""
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", ON_A_TERMINAL, os.ttyname(self._theirs)],
            env={**os.environ, "TERM": "xterm", "RECONCILIATION_CONTROL_SOCKET": str(path)},
            start_new_session=True,
        )

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def wait_for(self, text: bytes, *, after: int = 0) -> int:
        """Read until `text` is written after position `after`; return where it ends."""
        until = time.monotonic() + DEADLINE_SECONDS
        while text not in self.written[after:]:
            assert time.monotonic() < until, self.written[-4000:]
            if select.select([self._ours], [], [], 0.1)[0]:
                self.written += os.read(self._ours, 65_536)
        return self.written.index(text, after) + len(text)

    def end(self) -> int:
        """Read the rest of the output; return the exit code."""
        self.wait_for(OURS.replace(b"h", b"l"))
        return self.process.wait(DEADLINE_SECONDS)

    @property
    def now(self) -> list[object]:
        return termios.tcgetattr(self._theirs)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def top(path: Path) -> Iterator[Terminal]:
    terminal = Terminal(path)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_keys_work_and_the_terminal_is_restored(path: Path) -> None:
    with FakeControlServer(path, status=a_status()), top(path) as terminal:
        shown = terminal.wait_for(b"supervisor 4242")
        raw = terminal.now
        terminal.press(b"ss")
        sorted_ = terminal.wait_for(BY_QUEUED, after=shown)
        terminal.press(b"r")
        turned = terminal.wait_for(BY_QUEUED.replace(b"v", b"^"), after=sorted_)
        terminal.press(b"\x1b[Ap")
        terminal.wait_for(b"paused; press p to continue", after=turned)
        terminal.press(b"q")
        code = terminal.end()

        assert code == 0
        assert OURS in terminal.written
        assert raw != terminal.before
        assert terminal.now == terminal.before


@pytest.mark.parametrize("how", ["ctrl-c", "TERM"])
def test_an_interrupt_ends_top_and_restores_the_terminal(path: Path, how: str) -> None:
    with FakeControlServer(path, status=a_status()), top(path) as terminal:
        terminal.wait_for(b"supervisor 4242")
        if how == "ctrl-c":
            terminal.press(b"\x03")
        else:
            terminal.process.send_signal(signal.SIGTERM)
        code = terminal.end()

        assert code == 0
        assert terminal.now == terminal.before
        assert b"Traceback" not in terminal.written


def test_top_survives_a_supervisor_and_follows_the_next(path: Path) -> None:
    first = ExitStack()
    first.enter_context(FakeControlServer(path, status=a_status()))
    with first, top(path) as terminal:
        shown = terminal.wait_for(b"supervisor 4242")
        first.close()
        lost = terminal.wait_for(b"nothing listens there", after=shown)
        with FakeControlServer(path, status=a_status(pid=5151)):
            terminal.wait_for(b"supervisor 5151", after=lost)
            terminal.press(b"q")

            assert terminal.end() == 0


def test_without_a_supervisor_at_the_start_it_is_code_69(path: Path) -> None:
    with top(path) as terminal:
        terminal.wait_for(b"start one: reconciler run")

        assert terminal.process.wait(DEADLINE_SECONDS) == 69
        assert OURS not in terminal.written


def test_without_a_terminal_top_suggests_status(invoke: Invoke) -> None:
    result = invoke("top")

    assert result.exit_code == 2
    assert "top needs a terminal; anywhere else use: reconciler status" in result.stderr
