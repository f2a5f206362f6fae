"""The running supervisor, for the commands that ask it."""

from pathlib import Path
from typing import Any, TypeVar

from reconciler.settings import Settings
from reconciler.supervisor.control.client import ask
from reconciler.supervisor.control.protocol import default_path

T = TypeVar("T")


def control_socket(settings: Settings) -> Path:
    """Return where a supervisor with these settings listens.

    Raises:
        ConfigurationError: neither the socket nor the database, from which it follows, is set.
    """
    if settings.control_socket is not None:
        return Path(settings.control_socket)
    return default_path(settings.required_database_url)


def ask_supervisor(settings: Settings, command: str, expected: type[T], /, **arguments: Any) -> T:
    """Ask the running supervisor; return its answer as an `expected`.

    Raises:
        NoSupervisor: none answers.
        ConfigurationError: it refuses, and says what to do.
    """
    return ask(control_socket(settings), command, expected, **arguments)
