"""Standard error, where telling never stops the work.

What cannot be written is dropped: a full disk, a reader that hung up or reads no more, a terminal
that is gone. Each write goes straight to the descriptor, so that nothing is kept back that would
fail again later, or come twice. A reader that is late is waited for once, not at every line.
"""

import errno
import fcntl
import io
import os
import select
import stat
import sys
import termios
from array import array
from typing import TextIO

PATIENCE_SECONDS = 1.0
"""How long a reader that does not keep up is waited for; then not at all, until it does again."""

_PIECE_BYTES = 4096
"""What fits into a pipe whenever the system says that it can be written to: its PIPE_BUF."""

_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ENXIO}
_HUNG_UP = select.POLLERR | select.POLLHUP | select.POLLNVAL


class StandardError(io.TextIOBase):
    """A text stream to a descriptor. Nothing here raises for what becomes of the text."""

    def __init__(self, descriptor: int, *, encoding: str, is_terminal: bool) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._is_terminal = is_terminal
        self._is_gone = False
        self._is_mid_line = False
        self._is_stuck = False
        mode = os.fstat(descriptor).st_mode
        self._takes_all = stat.S_ISREG(mode) or stat.S_ISSOCK(mode)

    @property
    def encoding(self) -> str:  # type: ignore[override] # it is never set
        """What text is written in."""
        return self._encoding

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it was a terminal at the start: one that is gone says that it is none."""
        return self._is_terminal

    def writable(self) -> bool:
        """Whether it can be written to: yes."""
        return True

    def write(self, text: str, /) -> int:
        """Write text, or drop it."""
        self.put(text)
        return len(text)

    def put(self, text: str) -> bool:
        """Write text; return whether all of it was. A line that was cut short is ended first."""
        if not isinstance(text, str):
            raise TypeError(f"text is written here, not {type(text).__name__}")
        left = memoryview((self._line_break() + text).encode(self._encoding, "backslashreplace"))
        has_begun = False
        while left:
            try:
                self._wait_for_room()
                written = os.write(self._descriptor, left[: self._piece_of(len(left))])
            except OSError as error:
                self._is_gone = self._is_gone or self._says_gone(error)
                self._is_mid_line = self._is_mid_line or has_begun
                return False
            has_begun = True
            left = left[written:]
        self._is_mid_line = False
        return True

    def is_reader_gone(self) -> bool:
        """Whether nobody will ever read what is written: asked of the system, without writing."""
        if not self._is_gone:
            poll = select.poll()
            poll.register(self._descriptor, 0)
            self._is_gone = any(event & _HUNG_UP for _, event in poll.poll(0))
        return self._is_gone

    def _wait_for_room(self) -> None:
        """Wait until a piece can be written without waiting.

        Raises:
            TimeoutError: the reader does not read.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        is_ready = bool(poll.poll(0 if self._is_stuck else 1000 * PATIENCE_SECONDS))
        self._is_stuck = not is_ready
        if self._is_stuck:
            raise TimeoutError("the reader does not read")

    def _piece_of(self, size: int) -> int:
        """Return how much to write at once: all, so that lines of other processes come not between.

        But of a pipe that is nearly full, and of a terminal, only what surely has room.
        """
        if size <= _PIECE_BYTES or self._takes_all:
            return size
        return size if 2 * size <= _room_in(self._descriptor) else _PIECE_BYTES

    def _line_break(self) -> str:
        return "\n" if self._is_mid_line else ""

    def _says_gone(self, error: OSError) -> bool:
        return error.errno in _GONE or (self._is_terminal and error.errno == errno.EIO)


def _room_in(descriptor: int) -> int:
    """Return about how many bytes a pipe has room for; 0 where the system does not say."""
    unread = array("i", [0])
    try:
        size: int = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
        fcntl.ioctl(descriptor, termios.FIONREAD, unread)
    except (OSError, AttributeError):
        return 0
    return size - 2 * unread[0]


def protect_standard_error() -> TextIO:
    """Put such a stream in the place of this process' standard error; return what stands there.

    Where something else has been put there already, as by a test, that is left.
    """
    found: TextIO | None = sys.stderr
    if found is None:
        # It was closed when Python began. Something else may have its number by now.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as we live
    elif sys.__stderr__ is not None and found is sys.__stderr__:
        found.flush()
        sys.stderr = StandardError(
            found.fileno(), encoding=found.encoding, is_terminal=found.isatty()
        )
    return sys.stderr


def is_reader_gone() -> bool:
    """Whether nobody reads this process' standard error any more."""
    return isinstance(sys.stderr, StandardError) and sys.stderr.is_reader_gone()
