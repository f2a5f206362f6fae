"""Ask a running supervisor something, from a command. Blocks for a few seconds at most."""

import errno
import socket
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from reconciler.control.protocol import VERSION, ControlRequest, ControlResponse
from reconciler.control.socket_path import (
    HAS_ABSTRACT_NAMES,
    SocketPath,
    is_our_own,
    peer_of,
    socket_path_at,
)
from reconciler.errors import ConfigurationError, NoSupervisor, Problem

PATIENCE_SECONDS = 5.0

T = TypeVar("T")


def ask(place: SocketPath | Path, command: str, expected: type[T], /, **arguments: Any) -> T:
    """Ask the supervisor that listens at a place; return its answer as an `expected`.

    Raises:
        NoSupervisor: nobody listens there, or does not answer in time.
        ConfigurationError: the supervisor refuses, and says what to do.
    """
    question = ControlRequest(version=VERSION, command=command, arguments=arguments)
    found = socket_path_at(place) if isinstance(place, Path) else place
    try:
        said = _exchange(found, msgspec.json.encode(question) + b"\n")
        answer = msgspec.json.decode(said, type=ControlResponse)
    except (OSError, msgspec.DecodeError) as error:
        raise NoSupervisor(path=str(found), reason=_reason(error)) from error
    if answer.error is not None:
        raise ConfigurationError([Problem(what=answer.error.what, hint=answer.error.hint)])
    return msgspec.json.decode(answer.result, type=expected)


def _exchange(place: SocketPath, question: bytes) -> bytes:
    with _connected(place) as connection:
        connection.sendall(question)
        chunks = []
        while chunk := connection.recv(65_536):
            chunks.append(chunk)
    return b"".join(chunks)


def _connected(place: SocketPath) -> socket.socket:
    """Connect to the first that answers, of all addresses that the place has.

    Raises:
        OSError: none does; the one that says most about why.
    """
    addresses = [(str(path), place.is_set) for path in place.paths]
    if HAS_ABSTRACT_NAMES:
        addresses.append((place.name, False))
    errors: list[OSError] = []
    for address, is_set in addresses:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_SECONDS)
        try:
            connection.connect(address)
            if not is_set and not is_our_own(peer_of(connection)):
                raise PermissionError(errno.EACCES, "it is another user's")
        except OSError as error:
            connection.close()
            errors.append(error)
        else:
            return connection
    raise next((error for error in errors if not isinstance(error, _NOBODY)), errors[0])


_NOBODY = (FileNotFoundError, ConnectionRefusedError, NotADirectoryError)


def _reason(error: Exception) -> str:
    if isinstance(error, _NOBODY):
        return "nobody listens there"
    match error:
        case TimeoutError():
            return "it does not answer"
        case PermissionError():
            return "it is another user's"
        case _:
            return str(error) or "it hung up"
