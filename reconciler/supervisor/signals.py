"""Signals become demands. A handler only passes one on; the supervisor's loop acts on it.

An exception thrown from a handler could strike between a commit and its acknowledgement; asyncio
runs these handlers between two steps of the loop, where nothing is half done.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Demand(StrEnum):
    """What a signal asks of the supervisor."""

    STOP = "stop"
    STOP_FAST = "stop_fast"
    RELOAD = "reload"
    GROW = "grow"
    SHRINK = "shrink"
    REPORT = "report"


_DEMANDS = {
    signal.SIGTERM: Demand.STOP,
    signal.SIGINT: Demand.STOP,
    signal.SIGQUIT: Demand.STOP_FAST,
    signal.SIGHUP: Demand.RELOAD,
    signal.SIGTTIN: Demand.GROW,
    signal.SIGTTOU: Demand.SHRINK,
    signal.SIGUSR2: Demand.REPORT,
}


@contextmanager
def listening(on_demand: Callable[[Demand], None]) -> Iterator[None]:
    """Pass every demand to `on_demand` while the block runs, on the running loop.

    After it the signals mean what they meant before.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _DEMANDS}
    for number, demand in _DEMANDS.items():
        loop.add_signal_handler(number, on_demand, demand)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
