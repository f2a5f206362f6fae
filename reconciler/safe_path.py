"""Start Python so that it imports nothing from the working directory.

A module there may come from anyone: from an unpacked archive, or put there on purpose. It would run
with access to the exchange key. `python -m` and `python -c` put the working directory first on the
path, and multiprocessing starts its fork server and its resource tracker with `python -c`.

    our own commands   `COMMAND`, with the option -P
    multiprocessing    inside `for_new_processes`, by the environment: it passes no options on
    `python -m`        `reconciler.__main__` removes the folder before it imports anything

`PYTHONPATH` is left as it is.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.errors import ConfigurationError, Problem

COMMAND = (sys.executable, "-P", "-m", "reconciler")
"""The command line of our own program, for modules that start it."""

_SAFE_PATH = "PYTHONSAFEPATH"
_SET_BY_US = "for the workers of the reconciler"


@contextmanager
def for_new_processes() -> Iterator[None]:
    """Keep the working directory off the path of each Python that starts inside the block.

    Raises:
        ConfigurationError: Python ignores the variable that does this.
    """
    if sys.flags.safe_path or os.environ.get(_SAFE_PATH):
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
    os.environ[_SAFE_PATH] = _SET_BY_US
    try:
        yield
    finally:
        del os.environ[_SAFE_PATH]


def restore_environment() -> None:
    """Unset the variable in a process that was started with it, so that no child inherits it."""
    if os.environ.get(_SAFE_PATH) == _SET_BY_US:
        del os.environ[_SAFE_PATH]
