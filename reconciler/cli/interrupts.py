"""Ctrl-C and TERM for a command that has to leave something clean: one interruption, then peace."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Let INT and TERM end the block with one `KeyboardInterrupt`.

    The first one only: what the block does on its way out is not disturbed by impatience.
    """

    def interrupt(*_: object) -> None:
        _ignore()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed_afterwards() -> Iterator[None]:
    """Ignore INT and TERM once the block has ended: what comes after it is cleaning up."""
    try:
        yield
    finally:
        _ignore()


def _ignore() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
