"""Send a command to the running supervisor. Blocks for a few seconds at most."""

import errno
import socket
from typing import Any, TypeVar

import msgspec

from reconciler.control.address import HAS_ABSTRACT_NAMES, ControlAddress, is_trusted_peer
from reconciler.control.protocol import VERSION, ControlRequest, ControlResponse
from reconciler.errors import ConfigurationError, NoSupervisor, Problem

TIMEOUT_SECONDS = 5.0

T = TypeVar("T")


def ask(address: ControlAddress, command: str, expected: type[T], /, **arguments: Any) -> T:
    """Send a command to the supervisor at an address; return its result as an `expected`.

    Raises:
        NoSupervisor: no supervisor listens there, or it does not answer in time.
        ConfigurationError: the supervisor refuses the command; the error says what to do.
    """
    request = ControlRequest(version=VERSION, command=command, arguments=arguments)
    try:
        connection = _connect(address)
    except OSError as error:
        raise NoSupervisor(path=str(address), reason=_reason(error)) from error
    try:
        line = _send(connection, msgspec.json.encode(request) + b"\n")
        response = msgspec.json.decode(line, type=ControlResponse)
    except (OSError, msgspec.DecodeError) as error:
        raise NoSupervisor(path=str(address), reason=_reason(error), was_asked=True) from error
    if response.error is not None:
        raise ConfigurationError([Problem(what=response.error.what, hint=response.error.hint)])
    return msgspec.json.decode(response.result, type=expected)


def _send(connection: socket.socket, line: bytes) -> bytes:
    """Send a request's line, and return the response's. Closes the connection."""
    with connection:
        connection.sendall(line)
        received = []
        while part := connection.recv(65_536):
            received.append(part)
    return b"".join(received)


def _connect(address: ControlAddress) -> socket.socket:
    """Connect to the first path or name of the address where a supervisor listens.

    Raises:
        OSError: there is none; the error that tells most about the reason.
    """
    names = [(str(path), address.is_from_setting) for path in address.paths]
    if HAS_ABSTRACT_NAMES:
        names.append((address.abstract_name, False))
    errors: list[OSError] = []
    for name, is_from_setting in names:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_SECONDS)
        try:
            connection.connect(name)
            if not is_from_setting and not is_trusted_peer(connection):
                raise PermissionError(errno.EACCES, "it belongs to another user")
        except OSError as error:
            connection.close()
            errors.append(error)
        else:
            return connection
    raise next((error for error in errors if not isinstance(error, _NOT_LISTENING)), errors[0])


_NOT_LISTENING = (FileNotFoundError, ConnectionRefusedError, NotADirectoryError)


def _reason(error: Exception) -> str:
    if isinstance(error, _NOT_LISTENING):
        return "nothing listens there"
    match error:
        case TimeoutError():
            return "it does not answer"
        case PermissionError():
            return "it belongs to another user"
        case _:
            return str(error) or "it closed the connection"
