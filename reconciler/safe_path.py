"""Start Python so that it imports nothing from the working directory.

A module there is anybody's: of an archive that was unpacked, or put there on purpose. It would run
with the exchange key in reach. `python -m` and `python -c` put the working directory first on the
path, and multiprocessing starts its fork server and its resource tracker by `python -c`.

    our own commands   `COMMAND`, with the option -P
    multiprocessing    within `for_new_processes`, by the environment: it passes no option on
    `python -m`        `reconciler.__main__` takes the folder off before it imports anything

`PYTHONPATH` is heeded as it is.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.errors import ConfigurationError, Problem

COMMAND = (sys.executable, "-P", "-m", "reconciler")
"""Our own program, for those parts that start it."""

_VARIABLE = "PYTHONSAFEPATH"
_OURS = "for the workers of the reconciler"


@contextmanager
def for_new_processes() -> Iterator[None]:
    """Let each Python that starts within the block leave the working directory off its path.

    Raises:
        ConfigurationError: Python ignores the variable that says so.
    """
    if sys.flags.safe_path or os.environ.get(_VARIABLE):
        yield
        return
    if sys.flags.ignore_environment:
        raise ConfigurationError(
            [
                Problem(
                    what="Python was started with -E: workers would import from the working"
                    " directory, whatever lies there",
                    hint="start it with -P too, or with -I instead",
                )
            ]
        )
    os.environ[_VARIABLE] = _OURS
    try:
        yield
    finally:
        del os.environ[_VARIABLE]


def leave_no_trace() -> None:
    """Take back, in a process that was started so, what its own children would inherit."""
    if os.environ.get(_VARIABLE) == _OURS:
        del os.environ[_VARIABLE]
