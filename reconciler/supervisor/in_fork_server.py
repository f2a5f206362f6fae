"""Imported in the fork server only, and last, for what the import does there.

What is sent to a whole process group, by a terminal or a service manager, must not end the fork
server: its workers' ends reach the parent through it. Nor may it end a worker that was forked just
now and has not yet said what it does about signals. The fork server ends by itself when the parent
and the last worker are gone.

Workers share the fork server's memory until one of them writes to it. All that is loaded by now is
therefore taken out of the garbage collector's sight: a full collection writes to every object that
it looks at, and the first one would leave each worker with a copy of most of what it shared.
"""

import gc
import signal

_SENT_TO_GROUPS = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2),
)

for _number in _SENT_TO_GROUPS:
    signal.signal(_number, signal.SIG_IGN)
gc.collect()
gc.freeze()
