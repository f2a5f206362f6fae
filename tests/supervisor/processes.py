"""Processes from the outside: who belongs to whom, and when they have ended."""

import os
import select
import time
from collections.abc import Iterable

import psutil  # type: ignore[import-untyped] # it ships no types


def family(pid: int) -> set[int]:
    """Return the ids of all processes that descend from `pid`."""
    return {process.pid for process in psutil.Process(pid).children(recursive=True)}


class EndWatch:
    """Notices when processes end, also those that nobody waits for: a zombie has ended."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._running = {os.pidfd_open(pid): pid for pid in pids}

    def left_after(self, seconds: float) -> set[int]:
        """Wait until all have ended, but no longer than that; return those that have not."""
        poll = select.poll()
        for descriptor in self._running:
            poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + seconds
        while self._running:
            ended = poll.poll(max(0, deadline - time.monotonic()) * 1000)
            if not ended:
                break
            for descriptor, _ in ended:
                poll.unregister(descriptor)
                os.close(descriptor)
                del self._running[descriptor]
        return set(self._running.values())
