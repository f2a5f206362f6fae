"""Set up the fork server. Imported there only, for its side effects, in the order of the lines.

A signal to a whole process group, from a terminal or a service manager, must not end the fork
server: it reports the workers' ends to the supervisor. Nor may it end a worker that has just been
forked and has no signal handlers yet. So signals are ignored first, before anything that takes
time. The fork server ends by itself when the supervisor and the last worker are gone.

Workers share the fork server's memory until one of them writes to it. So all objects loaded by now
are hidden from the garbage collector: a full collection writes to every object that it visits, and
the first one would leave each worker with a copy of most of the shared memory.

Of a worker's own memory, glibc keeps no more than is used.
"""

import gc
import os
import signal
import sys
from importlib import import_module
from types import TracebackType

from reconciler.small_memory import keep_heaps_small

_SENT_TO_GROUPS = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2),
)

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
keep_heaps_small()
gc.collect()
gc.freeze()
