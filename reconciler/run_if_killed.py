"""Run a script when this process is killed and cannot clean up itself."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_WAIT_UNTIL_PIPE_CLOSES = "cat > /dev/null\n"


@contextmanager
def run_if_killed(script: str, *arguments: str) -> Iterator[None]:
    """Run `script` in a shell if this process ends inside the block.

    In the script the arguments are $0, $1 and so on. The shell waits until the pipe closes whose
    other end only this process has. It has its own session, so that a signal to our process group
    does not reach it.
    """
    shell = subprocess.Popen(  # noqa: S603 - our own script
        ["/bin/sh", "-c", _WAIT_UNTIL_PIPE_CLOSES + script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with shell:
            os.killpg(shell.pid, signal.SIGTERM)
