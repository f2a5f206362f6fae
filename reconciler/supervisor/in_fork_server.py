"""Imported in the fork server only, for what the import does there.

What is sent to a whole process group, by a terminal or a service manager, must not end the fork
server: its workers' ends reach the parent through it. Nor may it end a worker that was forked just
now and has not yet said what it does about signals. The fork server ends by itself when the parent
and the last worker are gone.
"""

import signal

_SENT_TO_GROUPS = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2),
)

for _number in _SENT_TO_GROUPS:
    signal.signal(_number, signal.SIG_IGN)
