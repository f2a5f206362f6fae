"""Keys from a terminal, one by one as they are pressed, without an echo."""

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
    """The keys that are pressed at a terminal. `is_gone`: there will be no more."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.is_gone = False

    def wait(self, seconds: float) -> str:
        """Return the keys pressed since the last time; wait so long for one.

        Arrows, function keys and the like, which begin with an escape, are left out.
        """
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if not ready:
            return ""
        pressed = os.read(self._terminal, _MAX_BYTES)
        self.is_gone = not pressed
        return _SEQUENCE.sub("", pressed.decode(errors="ignore"))


@contextmanager
def keyboard(terminal: int) -> Iterator[Keyboard]:
    """Let keys come through at once; put the terminal back as it was afterwards.

    Ctrl-C still interrupts. Ctrl-Z does nothing: it would leave the shell in our screen.
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
