"""Single keys from a terminal, as they are pressed and without an echo."""

import os
import re
import select
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[@-~]|O.|.)?")
_MAX_BYTES = 64
_CONTROL_CHARACTERS = 6
_DISABLED = b"\0"


class Keyboard:
    """The keys that are pressed at a terminal. `is_gone` is True once the terminal is closed."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.is_gone = False

    def wait(self, seconds: float) -> str:
        """Return the keys pressed since the last call; wait up to `seconds` for one.

        Escape sequences, as of arrows and function keys, are left out.
        """
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if not ready:
            return ""
        pressed = os.read(self._terminal, _MAX_BYTES)
        self.is_gone = not pressed
        return _SEQUENCE.sub("", pressed.decode(errors="ignore"))


@contextmanager
def keyboard(terminal: int) -> Iterator[Keyboard]:
    """Read single keys until the block ends; then restore the terminal.

    Ctrl-C still interrupts. Ctrl-Z does nothing: it would leave the shell on our screen.
    """
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        attributes = termios.tcgetattr(terminal)
        attributes[_CONTROL_CHARACTERS][termios.VSUSP] = _DISABLED
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        yield Keyboard(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)
