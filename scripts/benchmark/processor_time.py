"""The processor time of processes, user and system together, in seconds.

Of a process with all that it has started: the time of a child that has ended is its parent's, so
nothing is lost when a child ends between two readings.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it ships no types
from sqlalchemy import text

from reconciler.store.database import Database

_TRIES = 10


def own_seconds(process: int) -> float:
    """Return the time of one process, without that of its children."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def exact_seconds(process: int) -> float:
    """Return the time of the main thread of a process, to the nanosecond; Linux only."""
    spent = Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[0]
    return int(spent) / 1e9


def tree_seconds(process: int) -> float:
    """Return the time of a process and all that it has started."""
    for _ in range(_TRIES):
        root = psutil.Process(process)
        try:
            return sum(_with_ended_children(one) for one in (root, *root.children(recursive=True)))
        except psutil.NoSuchProcess:  # It ended just now: its parent's time has grown.
            continue
    raise psutil.NoSuchProcess(process)


def server_process(database: Database) -> int:
    """Return the process that has started all others of the server, which is on this machine."""
    with database.autocommit() as connection:
        own = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    return int(psutil.Process(own).ppid())


@dataclass(frozen=True, kw_only=True)
class Stopwatch:
    """The processor time of this process with its children, and of the server.

    The server may be a child of this process.
    """

    server: int

    def read(self) -> Mapping[str, float]:
        """Return the seconds so far, by `SERVER` and `CLIENT`."""
        server = tree_seconds(self.server)
        ours = tree_seconds(os.getpid())
        return {SERVER: server, CLIENT: ours - server if self._is_ours else ours}

    @property
    def _is_ours(self) -> bool:
        return os.getpid() in {parent.pid for parent in psutil.Process(self.server).parents()}


SERVER, CLIENT = "server", "client"


def _with_ended_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)
