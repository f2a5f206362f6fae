"""A real terminal with a command on it, and what a person sees there."""

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

DEADLINE_SECONDS = 300.0
ALTERNATE_SCREEN = b"\x1b[?1049h"
"""The sequence that opens the alternate screen; `l` instead of `h` closes it."""

REFRESH = b"\x1b[H"
"""A program that uses the whole screen writes this before it writes the screen again."""

RECONCILER = (sys.executable, "-m", "reconciler")

ON_A_TERMINAL = """
import os, sys
terminal = os.open(sys.argv[1], os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(terminal, number)
os.execv(sys.argv[2], sys.argv[2:])
"""

_SIZES = {"COLUMNS", "LINES"}
"""With these, a program does not ask the terminal for its size."""

_PART = re.compile(
    r"\x1b\].*?\x07|\x1b\[(?P<numbers>[0-9;?]*)(?P<letter>[@-~])|\x1b.|(?P<sign>[\r\n])|[^\x1b\r\n]+"
)


class Terminal:
    """A terminal with a command on it, which leads a session of its own: Ctrl-C reaches it."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = RECONCILER,
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self._ours, self._theirs = os.openpty()
        termios.tcsetwinsize(self._theirs, (rows, columns))
        self.before = termios.tcgetattr(self._theirs)
        self.written = b""
        clean = {name: value for name, value in os.environ.items() if name not in _SIZES}
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", ON_A_TERMINAL, os.ttyname(self._theirs), *command, *arguments],
            env={**clean, "TERM": "xterm-256color", **(environment or {})},
            start_new_session=True,
        )

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as a person does with the window."""
        termios.tcsetwinsize(self._theirs, (rows, columns))
        self.process.send_signal(signal.SIGWINCH)

    def wait_for(self, text: bytes, *, after: int = 0) -> int:
        """Read until `text` is written after position `after`; return where it ends."""
        until = time.monotonic() + DEADLINE_SECONDS
        while text not in self.written[after:]:
            assert time.monotonic() < until, self.written[-4000:]
            has_ended = self.process.poll() is not None
            assert self._read(0.1) or not has_ended, self.written[-4000:]
        return self.written.index(text, after) + len(text)

    def wait_for_end(self) -> int:
        """Read until the process has ended; return its exit code."""
        until = time.monotonic() + DEADLINE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < until, self.written[-4000:]
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def next_screen(self) -> bytes:
        """Wait until the whole screen was written once more; return it, with its colours."""
        start = self.wait_for(REFRESH, after=len(self.written))
        end = self.wait_for(REFRESH, after=start)
        return self.written[start : end - len(REFRESH)]

    def screen_with(self, text: str) -> list[str]:
        """Wait until the whole screen shows a text; return its lines."""
        until = time.monotonic() + DEADLINE_SECONDS
        while text not in (shown := without_sequences(self.next_screen())):
            assert time.monotonic() < until, shown
        return shown.splitlines()

    @property
    def attributes(self) -> list[object]:
        """The terminal's attributes now."""
        return termios.tcgetattr(self._theirs)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        self.written += os.read(self._ours, 65_536)
        return True

    def close(self) -> None:
        """End the process and close the terminal."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def on_terminal(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = RECONCILER,
    columns: int = 80,
    rows: int = 24,
) -> Iterator[Terminal]:
    """Run a command on a terminal for the length of the block."""
    terminal = Terminal(
        *arguments, environment=environment, command=command, columns=columns, rows=rows
    )
    try:
        yield terminal
    finally:
        terminal.close()


def lines_left(written: bytes) -> list[str]:
    """Return the lines that a person sees after this was written to an empty terminal.

    Knows what progress writes: back to the line's begin, some lines up, erase a line. Lines are
    taken to be narrower than the terminal.
    """
    lines, row, column = [""], 0, 0
    for part in _PART.finditer(written.decode()):
        match part["letter"], part["sign"]:
            case "A", _:
                row = max(0, row - int(part["numbers"] or 1))
            case "K", _:
                lines[row] = "" if part["numbers"] == "2" else lines[row][:column]
            case None, "\r":
                column = 0
            case None, "\n":
                row += 1
                lines.extend([""] * (row + 1 - len(lines)))
            case None, None if not part[0].startswith("\x1b"):
                padded = f"{lines[row]:<{column}}"
                column += len(part[0])
                lines[row] = padded[: column - len(part[0])] + part[0] + padded[column:]
            case _:
                pass
    return [line.rstrip() for line in lines]


def without_sequences(written: bytes) -> str:
    """Return the text alone."""
    return re.sub(r"\x1b(\[[0-9;?]*[@-~]|.)", "", written.decode())
