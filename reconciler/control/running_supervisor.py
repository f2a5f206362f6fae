"""The running supervisor of these settings: where it listens, and how to ask it."""

from pathlib import Path
from typing import Any, TypeVar

from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.settings import Settings

T = TypeVar("T")


def control_address(settings: Settings) -> ControlAddress:
    """Return where a supervisor with these settings listens.

    Raises:
        ConfigurationError: neither the socket nor the database, which determines it, is set.
    """
    if settings.control_socket is not None:
        url = settings.database_url
        return ControlAddress.at(
            Path(settings.control_socket),
            None if url is None else url.get_secret_value(),
            settings.scope,
        )
    return ControlAddress.of_database(settings.required_database_url, settings.scope)


def ask_supervisor(settings: Settings, command: str, expected: type[T], /, **arguments: Any) -> T:
    """Send a command to the running supervisor; return its result as an `expected`.

    Raises:
        NoSupervisor: no supervisor answers.
        ConfigurationError: the supervisor refuses the command; the error says what to do.
    """
    return ask(control_address(settings), command, expected, **arguments)
