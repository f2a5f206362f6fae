"""Listen on an address, and serve HTTP there: what the console and the paper exchange share."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

import uvicorn

BACKLOG = 2048
GRACE_SECONDS = 2


def bind(host: str, port: int, *, backlog: int = BACKLOG) -> socket.socket:
    """Listen on `host` and `port`; port 0 picks a free one.

    Raises:
        OSError: the address is taken, not allowed or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=backlog)
    # Its connections inherit this. asyncio sets it only on sockets whose protocol is named, and
    # without it the body of a short answer waits 40 ms for the client to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class Server(uvicorn.Server):
    """uvicorn that reports when it answers requests, and leaves signals to its caller."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        logging.getLogger("uvicorn.error").addFilter(_is_no_cut_off_request)

    def stop(self) -> None:
        """Answer pending requests, then end. Safe from any thread and from a signal handler."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer requests, and report it."""
        await super().startup(sockets)
        self._on_ready()

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]  # uvicorn's is a generator
        """Capture none: the caller has handlers of its own."""
        return contextlib.nullcontext()


def _is_no_cut_off_request(record: logging.LogRecord) -> bool:
    """Drop the traceback that uvicorn logs for a request that outlasts the grace period.

    It reports the cancelled request as a fault of the application, and its number by another line.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
