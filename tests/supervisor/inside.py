"""What a worker finds out about its own memory: the targets of processes from the fork server."""

import gc
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path


def collect_garbage(pipe: Connection) -> None:
    """Tell how many bytes a full collection turns from shared ones into this process's own."""
    before = _private_bytes()
    gc.collect()
    pipe.send(_private_bytes() - before)


def import_late(pipe: Connection, name: str) -> None:
    """Tell whether a module was there from the start, and whether it can be had when asked for."""
    was_there = name in sys.modules
    pipe.send((was_there, import_module(name).__name__ == name))


def _private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    ((_, kilobytes, _),) = (line.split() for line in lines if line.startswith("Private_Dirty:"))
    return int(kilobytes) * 1024
