"""A standard error whose writes never raise, and wait for a slow reader only once.

Text that cannot be written is dropped: the disk is full, the reader has hung up or does not read,
the terminal is gone. Each write goes straight to the descriptor, so that no buffered text fails
again later, or is written twice. A slow reader is waited for once, not at every line.
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

READER_TIMEOUT_SECONDS = 1.0
"""The longest wait for a slow reader; after it there is no wait until the reader catches up."""

_PIECE_BYTES = 4096
"""PIPE_BUF: the size that always fits into a pipe that the system calls writable."""

_GONE_ERRNOS = {errno.EPIPE, errno.ECONNRESET, errno.ENXIO}
_HANG_UP_EVENTS = select.POLLERR | select.POLLHUP | select.POLLNVAL


class StandardError(io.TextIOBase):
    """A text stream to a descriptor, which drops text that cannot be written."""

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
        """The encoding of the text."""
        return self._encoding

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return True if the descriptor was a terminal at the start; it may be gone by now."""
        return self._is_terminal

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str, /) -> int:
        """Write text, or drop it."""
        self.write_whole(text)
        return len(text)

    def write_whole(self, text: str) -> bool:
        """Write text, after a line break if the last line was cut; return if all was written."""
        if not isinstance(text, str):
            raise TypeError(f"text is written here, not {type(text).__name__}")
        left = memoryview((self._line_break() + text).encode(self._encoding, "backslashreplace"))
        has_begun = False
        while left:
            try:
                self._wait_until_writable()
                written = os.write(self._descriptor, left[: self._piece_size(len(left))])
            except OSError as error:
                self._is_gone = self._is_gone or self._means_gone(error)
                self._is_mid_line = self._is_mid_line or has_begun
                return False
            has_begun = True
            left = left[written:]
        self._is_mid_line = False
        return True

    def is_reader_gone(self) -> bool:
        """Return True if the reader has hung up for good, without writing anything."""
        if not self._is_gone:
            poll = select.poll()
            poll.register(self._descriptor, 0)
            self._is_gone = any(event & _HANG_UP_EVENTS for _, event in poll.poll(0))
        return self._is_gone

    def _wait_until_writable(self) -> None:
        """Wait until a piece can be written at once.

        Raises:
            TimeoutError: the reader does not read.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        is_ready = bool(poll.poll(0 if self._is_stuck else 1000 * READER_TIMEOUT_SECONDS))
        self._is_stuck = not is_ready
        if self._is_stuck:
            raise TimeoutError("the reader does not read")

    def _piece_size(self, size: int) -> int:
        """Return how much to write at once: all, so that no other process's lines come in between.

        To a terminal, and to a pipe that is nearly full, only what surely fits.
        """
        if size <= _PIECE_BYTES or self._takes_all:
            return size
        return size if 2 * size <= _free_pipe_bytes(self._descriptor) else _PIECE_BYTES

    def _line_break(self) -> str:
        return "\n" if self._is_mid_line else ""

    def _means_gone(self, error: OSError) -> bool:
        return error.errno in _GONE_ERRNOS or (self._is_terminal and error.errno == errno.EIO)


def _free_pipe_bytes(descriptor: int) -> int:
    """Return about how many bytes fit into a pipe; 0 if the system does not tell."""
    unread = array("i", [0])
    try:
        size: int = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
        fcntl.ioctl(descriptor, termios.FIONREAD, unread)
    except (OSError, AttributeError):
        return 0
    return size - 2 * unread[0]


def protect_standard_error() -> TextIO:
    """Replace this process' standard error by a `StandardError`; return the new `sys.stderr`.

    If `sys.stderr` has been replaced already, for example by a test, it stays.
    """
    found: TextIO | None = sys.stderr
    if found is None:
        # It was closed when Python began, and another file may have its descriptor by now.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - as long as we live
    elif sys.__stderr__ is not None and found is sys.__stderr__:
        found.flush()
        sys.stderr = StandardError(
            found.fileno(), encoding=found.encoding, is_terminal=found.isatty()
        )
    return sys.stderr


def is_reader_gone() -> bool:
    """Return True if the reader of this process' standard error has hung up for good."""
    return isinstance(sys.stderr, StandardError) and sys.stderr.is_reader_gone()
