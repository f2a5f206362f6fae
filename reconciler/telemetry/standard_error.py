"""Standard error, where telling never stops the work.

What cannot be written is dropped: a full disk, a reader that hung up, a terminal that is gone. Each
write goes straight to the descriptor, so that nothing is kept back that would fail again later, or
come twice. That a reader hung up can be asked for; that nothing was lost cannot.
"""

import errno
import io
import os
import select
import sys
from typing import TextIO

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
                written = os.write(self._descriptor, left)
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

    def _line_break(self) -> str:
        return "\n" if self._is_mid_line else ""

    def _says_gone(self, error: OSError) -> bool:
        return error.errno in _GONE or (self._is_terminal and error.errno == errno.EIO)


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
