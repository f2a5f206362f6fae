"""What is done when this process is killed by force, and so cannot do it itself."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_UNTIL_NOBODY_HOLDS_THE_PIPE = "cat > /dev/null\n"


@contextmanager
def run_if_killed(script: str, *arguments: str) -> Iterator[None]:
    """Let a shell run `script` once this process has gone without leaving the block.

    In the script the arguments are $0, $1 and so on. The shell waits at the end of a pipe that only
    we hold, in a session of its own: what ends us by our group does not reach it.
    """
    shell = subprocess.Popen(  # noqa: S603 - our own words
        ["/bin/sh", "-c", _UNTIL_NOBODY_HOLDS_THE_PIPE + script, *arguments],
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
