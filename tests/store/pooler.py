"""A stand-in for a transaction-pooling PgBouncer: transactions alternate between two sessions."""

import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

_ENCRYPTION_REQUESTS = frozenset({80877103, 80877104})
_KEY = b"K"
_ENDS_OF_REQUEST = frozenset({b"Q", b"S"})
_TERMINATE = b"X"
_READY = b"Z"
_IDLE = b"I"


class Pooler:
    """Serves one client on a port of its own, for the duration of a `with`."""

    def __init__(self, server: Path) -> None:
        self._server = str(server)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="pooler")

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with ExitStack() as stack:
            client, _ = self._listener.accept()
            stack.enter_context(client)
            startup = _read_startup(client)
            sessions = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
            for session in sessions:
                session.connect(self._server)
                session.sendall(startup)
                greeting, _ = _read_answer(session)
            client.sendall(greeting)
            turn = 0
            while request := _read_request(client):
                sessions[turn].sendall(request)
                answer, state = _read_answer(sessions[turn])
                client.sendall(answer)
                turn = 1 - turn if state == _IDLE else turn


def _read_startup(client: socket.socket) -> bytes:
    while True:
        head = _read(client, 8)
        if int.from_bytes(head[4:]) not in _ENCRYPTION_REQUESTS:
            return head + _read(client, int.from_bytes(head[:4]) - 8)
        client.sendall(b"N")


def _read_request(client: socket.socket) -> bytes:
    """Read what the client sends until it waits for an answer; nothing if it disconnects."""
    request = b""
    while True:
        kind, message = _read_message(client)
        if kind == _TERMINATE:
            return b""
        request += message
        if kind in _ENDS_OF_REQUEST:
            return request


def _read_answer(session: socket.socket) -> tuple[bytes, bytes]:
    """Read until the server is ready again; return also the state of its transaction."""
    answer = b""
    while True:
        kind, message = _read_message(session)
        answer += message[:5] + bytes(len(message) - 5) if kind == _KEY else message
        if kind == _READY:
            return answer, message[-1:]


def _read_message(source: socket.socket) -> tuple[bytes, bytes]:
    head = _read(source, 5)
    return head[:1], head + _read(source, int.from_bytes(head[1:]) - 4)


def _read(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = source.recv(size - len(data))
        assert chunk, "the other side hung up"
        data += chunk
    return data
