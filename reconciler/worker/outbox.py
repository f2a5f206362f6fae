"""Send messages to the supervisor in their order, without ever keeping the loop from receiving.

A pipe holds about 200 KB. If a worker waited until the supervisor takes a larger message, while the
supervisor waits until the worker takes one, neither would go on. So a large message, and each one
behind it, is sent by a thread; all others go out at once, before `send` returns.
"""

import queue
import select
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

MOST_BYTES_AT_ONCE = 32_768
"""There is room for these if the pipe is writable: Linux then has three quarters of it free."""


class Outbox:
    """The messages of this worker that the supervisor has not taken yet."""

    def __init__(self, connection: Connection, *, on_gone: Callable[[], Any]) -> None:
        """Prepare; `on_gone` is called if the other end is closed, maybe in the thread."""
        self._connection = connection
        self._on_gone = on_gone
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._writable = select.poll()
        self._writable.register(connection, select.POLLOUT)

    def send(self, message: object) -> None:
        """Send a message after those before it."""
        encoded = bytes(ForkingPickler.dumps(message))
        with self._lock:
            if not self._waiting and self._has_room(len(encoded)):
                self._send(encoded)
                return
            self._waiting += 1
        self._queue.put(encoded)
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_waiting, name="outbox", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait until the supervisor has taken everything."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _has_room(self, size: int) -> bool:
        return size <= MOST_BYTES_AT_ONCE and bool(self._writable.poll(0))

    def _send_waiting(self) -> None:
        while (encoded := self._queue.get()) is not None:
            self._send(encoded)
            with self._lock:
                self._waiting -= 1

    def _send(self, encoded: bytes) -> None:
        try:
            self._connection.send_bytes(encoded)
        except OSError:
            self._on_gone()
