"""The actions that signals ask for. A handler only passes the action on to the event loop.

An exception raised in a plain handler could come between a commit and its acknowledgement. asyncio
runs these handlers between two steps of the loop, where no step is half done.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class SignalAction(StrEnum):
    """The action that a signal asks for."""

    STOP = "stop"
    STOP_FAST = "stop_fast"
    RELOAD = "reload"
    GROW = "grow"
    SHRINK = "shrink"
    REPORT = "report"


_ACTIONS = {
    signal.SIGTERM: SignalAction.STOP,
    signal.SIGINT: SignalAction.STOP,
    signal.SIGQUIT: SignalAction.STOP_FAST,
    signal.SIGHUP: SignalAction.RELOAD,
    signal.SIGTTIN: SignalAction.GROW,
    signal.SIGTTOU: SignalAction.SHRINK,
    signal.SIGUSR2: SignalAction.REPORT,
}


@contextmanager
def handle_signals(on_signal: Callable[[SignalAction], None]) -> Iterator[None]:
    """Pass the action of every signal to `on_signal`, on the running loop, within the block.

    After the block the signals have their former handlers again.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _ACTIONS}
    for number, action in _ACTIONS.items():
        loop.add_signal_handler(number, on_signal, action)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
