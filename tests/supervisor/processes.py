"""Processes seen from outside: their descendants, and when they have ended."""

import os
import select
import time
from collections.abc import Iterable

import psutil  # type: ignore[import-untyped] # it ships no types


def family(pid: int) -> set[int]:
    """Return the ids of all processes that descend from `pid`."""
    return {process.pid for process in psutil.Process(pid).children(recursive=True)}


def stretched(seconds: float) -> float:
    """Return how long something may take here that takes `seconds` on an idle machine.

    So a bound means the same on every machine: of two processes that share a processor each is half
    as fast.
    """
    with open("/proc/loadavg", encoding="ascii") as file:  # noqa: PTH123 - no file of a folder
        average, _, _, wanting, _ = file.read().split()
    wanted = max(float(average), float(wanting.partition("/")[0]))
    return seconds * max(1.0, wanted / (os.cpu_count() or 1))


class EndWatch:
    """Notices when processes end, also those that no parent waits for: a zombie has ended."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._running = {os.pidfd_open(pid): pid for pid in pids}

    def left_after(self, seconds: float) -> set[int]:
        """Wait until all have ended; return those that have not after `seconds`, stretched."""
        poll = select.poll()
        for descriptor in self._running:
            poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + stretched(seconds)
        while self._running:
            ended = poll.poll(max(0, deadline - time.monotonic()) * 1000)
            if not ended:
                break
            for descriptor, _ in ended:
                poll.unregister(descriptor)
                os.close(descriptor)
                del self._running[descriptor]
        return set(self._running.values())
