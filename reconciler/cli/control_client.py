"""The running supervisor, for the commands that ask it."""

from pathlib import Path
from typing import Any, TypeVar

from reconciler.control.client import ask
from reconciler.control.socket_path import SocketPath, socket_path_at, socket_path_of
from reconciler.settings import Settings

T = TypeVar("T")


def control_socket(settings: Settings) -> SocketPath:
    """Return where a supervisor with these settings listens.

    Raises:
        ConfigurationError: neither the socket nor the database, from which it follows, is set.
    """
    if settings.control_socket is not None:
        url = settings.database_url
        return socket_path_at(
            Path(settings.control_socket), None if url is None else url.get_secret_value()
        )
    return socket_path_of(settings.required_database_url)


def ask_supervisor(settings: Settings, command: str, expected: type[T], /, **arguments: Any) -> T:
    """Ask the running supervisor; return its answer as an `expected`.

    Raises:
        NoSupervisor: none answers.
        ConfigurationError: it refuses, and says what to do.
    """
    return ask(control_socket(settings), command, expected, **arguments)
