"""Asking again and again, for what no event announces."""

import time
from collections.abc import Iterator

PAUSE_SECONDS = 0.05


def until_deadline(seconds: float) -> Iterator[None]:
    """Yield for each question, at most for `seconds`.

    Pauses in between: questions without a pause take a core from the process that is asked.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(PAUSE_SECONDS)
