"""Targets of processes from the fork server, which measure their own memory."""

import gc
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path


def collect_garbage(pipe: Connection) -> None:
    """Send how many shared bytes a full collection makes this process's own."""
    before = _private_bytes()
    gc.collect()
    pipe.send(_private_bytes() - before)


def import_late(pipe: Connection, name: str) -> None:
    """Send whether a module was loaded from the start, and whether it can be imported."""
    was_there = name in sys.modules
    pipe.send((was_there, import_module(name).__name__ == name))


def _private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    ((_, kilobytes, _),) = (line.split() for line in lines if line.startswith("Private_Dirty:"))
    return int(kilobytes) * 1024
