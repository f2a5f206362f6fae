"""Set up the fork server. Imported there first, for its side effects, in the order of the lines.

A signal to a whole process group, from a terminal or a service manager, must not end the fork
server: it reports the workers' ends to the supervisor. Nor may it end a worker that has just been
forked and has no signal handlers yet. So signals are ignored first, before anything that takes
time. The fork server ends by itself when the supervisor and the last worker are gone.

While it imports modules, no garbage is collected, since there is none; see `forkserver_freeze`.
"""

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
gc.disable()
import_module("reconciler.safe_path").restore_environment()
import_module("reconciler.worker.preload")
