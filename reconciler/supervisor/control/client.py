"""Ask a running supervisor something, from a command. Blocks for a few seconds at the most."""

import socket
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from reconciler.errors import ConfigurationError, NoSupervisor, Problem
from reconciler.supervisor.control.protocol import VERSION, Answer, Question

PATIENCE_SECONDS = 5.0

T = TypeVar("T")


def ask(path: Path, command: str, expected: type[T], /, **arguments: Any) -> T:
    """Ask the supervisor that listens at `path`; return its answer as an `expected`.

    Raises:
        NoSupervisor: nobody listens there, or does not answer in time.
        ConfigurationError: the supervisor refuses, and says what to do.
    """
    question = Question(version=VERSION, command=command, arguments=arguments)
    try:
        said = _exchange(path, msgspec.json.encode(question) + b"\n")
        answer = msgspec.json.decode(said, type=Answer)
    except (OSError, msgspec.DecodeError) as error:
        raise NoSupervisor(path=str(path), reason=_reason(error)) from error
    if answer.error is not None:
        raise ConfigurationError([Problem(what=answer.error.what, hint=answer.error.hint)])
    return msgspec.json.decode(answer.result, type=expected)


def _exchange(path: Path, question: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(str(path))
        connection.sendall(question)
        chunks = []
        while chunk := connection.recv(65_536):
            chunks.append(chunk)
    return b"".join(chunks)


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError():
            return "it does not answer"
        case PermissionError():
            return "it is another user's"
        case _:
            return str(error) or "it hung up"
