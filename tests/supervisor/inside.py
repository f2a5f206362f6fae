"""What a worker finds out about its own memory: the target of a process from the fork server."""

import gc
from multiprocessing.connection import Connection
from pathlib import Path


def collect_garbage(pipe: Connection) -> None:
    """Tell how many bytes a full collection turns from shared ones into this process's own."""
    before = _private_bytes()
    gc.collect()
    pipe.send(_private_bytes() - before)


def _private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    ((_, kilobytes, _),) = (line.split() for line in lines if line.startswith("Private_Dirty:"))
    return int(kilobytes) * 1024
