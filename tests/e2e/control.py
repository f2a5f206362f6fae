"""Answers of a running supervisor, as soon as they are what a test waits for."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.errors import NoSupervisor
from reconciler.supervisor.status import Phase, SupervisorStatus

from .commands import DEADLINE_SECONDS

T = TypeVar("T")


def wait_for_answer(
    path: Path, command: str, answer_type: type[T], is_so: Callable[[T], bool]
) -> T:
    """Ask the supervisor at a control socket again and again; return the first answer that is so.

    Raises:
        AssertionError: none was in time.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    answer: T | None = None
    while time.monotonic() < deadline:
        with suppress(NoSupervisor):
            answer = ask(ControlAddress.at(path), command, answer_type)
            if is_so(answer):
                return answer
        time.sleep(0.01)
    raise AssertionError(f"it never became so: {answer}")


def wait_for_status(path: Path, is_so: Callable[[SupervisorStatus], bool]) -> SupervisorStatus:
    """Return the first status of a supervisor that is so."""
    return wait_for_answer(path, "status", SupervisorStatus, is_so)


def wait_until_ready(path: Path) -> int:
    """Wait until a supervisor has a worker that is ready; return the supervisor's process id."""
    return wait_for_status(path, lambda status: status.phase is Phase.RUNNING).pid
