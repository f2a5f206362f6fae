"""INT and TERM for commands that must clean up: only the first signal interrupts."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_RAISE_AGAIN = signal.SIGALRM
_RAISE_AGAIN_SECONDS = 0.01


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise `KeyboardInterrupt` in the block at the first INT or TERM, and ignore further ones.

    So the block can clean up undisturbed. Where Python can only ignore an exception, as in the
    callback of a weak reference during an import, it is raised again a moment later.
    """

    def interrupt(*_: object) -> None:
        _ignore()
        raise KeyboardInterrupt

    is_pending = False

    def raise_again(ignored: "sys.UnraisableHookArgs") -> None:
        nonlocal is_pending
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            is_pending = True
            signal.setitimer(signal.ITIMER_REAL, _RAISE_AGAIN_SECONDS)
        else:
            original_hook(ignored)

    before = {number: signal.signal(number, interrupt) for number in (*_SIGNALS, _RAISE_AGAIN)}
    original_hook, sys.unraisablehook = sys.unraisablehook, raise_again
    try:
        yield
    finally:
        sys.unraisablehook = original_hook
        if is_pending:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ignore_signals_afterwards() -> Iterator[None]:
    """Ignore INT and TERM after the block, when the caller cleans up."""
    try:
        yield
    finally:
        _ignore()


def _ignore() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
