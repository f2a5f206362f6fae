"""Ctrl-C and TERM for a command that has to leave something clean: one interruption, then peace."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ONCE_MORE = signal.SIGALRM
_ONCE_MORE_AFTER_SECONDS = 0.01


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Let INT and TERM end the block with one `KeyboardInterrupt`.

    The first one only: what the block does on its way out is not disturbed by impatience. Where
    Python can only ignore an exception, as in the callback of a weak reference, which the import of
    a module has, it comes once more a moment later.
    """

    def interrupt(*_: object) -> None:
        _ignore()
        raise KeyboardInterrupt

    is_coming = False

    def come_again(ignored: "sys.UnraisableHookArgs") -> None:
        nonlocal is_coming
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            is_coming = True
            signal.setitimer(signal.ITIMER_REAL, _ONCE_MORE_AFTER_SECONDS)
        else:
            tell_ignored(ignored)

    before = {number: signal.signal(number, interrupt) for number in (*_SIGNALS, _ONCE_MORE)}
    tell_ignored, sys.unraisablehook = sys.unraisablehook, come_again
    try:
        yield
    finally:
        sys.unraisablehook = tell_ignored
        if is_coming:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ignore_signals_afterwards() -> Iterator[None]:
    """Ignore INT and TERM once the block has ended: what comes after it is cleaning up."""
    try:
        yield
    finally:
        _ignore()


def _ignore() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
