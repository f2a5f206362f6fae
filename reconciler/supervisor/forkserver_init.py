"""Imported in the fork server only, for what the import does there, from first line to last.

What is sent to a whole process group, by a terminal or a service manager, must not end the fork
server: its workers' ends reach the parent through it. Nor may it end a worker that was forked just
now and has not yet said what it does about signals. So that comes before all that takes time. The
fork server ends by itself when the parent and the last worker are gone.

Workers share the fork server's memory until one of them writes to it. All that is loaded by now is
therefore taken out of the garbage collector's sight: a full collection writes to every object that
it looks at, and the first one would leave each worker with a copy of most of what it shared.

Of what a worker then takes for itself, glibc would keep more than it uses: a heap for each thread
that ever asked for memory, where Python lets only one run at a time, and ever more free memory at
the end of each. Other C libraries do neither.
"""

import ctypes
import gc
import signal
from importlib import import_module

_SENT_TO_GROUPS = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2),
)
# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8

_FREE_BYTES = 128 * 1024
"""What may stay free at a heap's end: glibc's own measure, which it raises unless it is set."""


def _keep_heaps_small() -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_TRIM_THRESHOLD, _FREE_BYTES)


for _number in _SENT_TO_GROUPS:
    signal.signal(_number, signal.SIG_IGN)
import_module("reconciler.safe_path").restore_environment()
import_module("reconciler.worker.preload")
_keep_heaps_small()
gc.collect()
gc.freeze()
