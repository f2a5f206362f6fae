"""Set up the fork server. Imported there only, for its side effects, in the order of the lines.

A signal to a whole process group, from a terminal or a service manager, must not end the fork
server: it reports the workers' ends to the supervisor. Nor may it end a worker that has just been
forked and has no signal handlers yet. So signals are ignored first, before anything that takes
time. The fork server ends by itself when the supervisor and the last worker are gone.

Workers share the fork server's memory until one of them writes to it. So all objects loaded by now
are hidden from the garbage collector: a full collection writes to every object that it visits, and
the first one would leave each worker with a copy of most of the shared memory.

By default glibc would keep more of a worker's own memory than is used: a heap for each thread that
ever allocated any, although Python runs one thread at a time, and more and more free memory at the
end of each heap. Other C libraries do neither.
"""

import ctypes
import gc
import os
import signal
import sys
from importlib import import_module
from types import TracebackType

_SENT_TO_GROUPS = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2),
)
# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8

_FREE_BYTES = 128 * 1024
"""The bytes that may stay free at the end of a heap: glibc's default, which it would raise."""


def _keep_heaps_small() -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_TRIM_THRESHOLD, _FREE_BYTES)


_PID = os.getpid()


def _report_unless_supervisor_gone(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Report an exception, except that the supervisor was killed while it requested a worker.

    The fork server then reads the end of the request, and has to end anyway. Its workers inherit
    this hook and report everything.
    """
    if kind is not EOFError or os.getpid() != _PID:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _report_unless_supervisor_gone
for _number in _SENT_TO_GROUPS:
    signal.signal(_number, signal.SIG_IGN)
import_module("reconciler.safe_path").restore_environment()
import_module("reconciler.worker.preload")
_keep_heaps_small()
gc.collect()
gc.freeze()
