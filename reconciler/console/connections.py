"""One connection of a browser, which must send each request in time.

uvicorn waits for the head of a request as long as it takes, and counts the connection meanwhile. So
a few hundred that send nothing, or a byte now and then, would leave no room for anybody.
"""

import asyncio
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""The time for the head of a request, from its first byte or from the connection's beginning."""


class Connection(H11Protocol):
    """Closes a connection whose request does not come."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; wait on if it is only the beginning of a request."""
        super().data_received(data)
        if self._is_due:
            self._wait()
        else:
            self._end_wait()

    def on_response_complete(self) -> None:
        """Do not wait for ever for the rest of a request that is answered already."""
        super().on_response_complete()
        if self._is_due:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._end_wait()
        super().connection_lost(exc)

    @property
    def _is_due(self) -> bool:
        """True if the browser has to send something before anything can be done."""
        is_answered = self.conn.our_state is h11.DONE
        return self.conn.their_state is h11.IDLE or (
            is_answered and self.conn.their_state is h11.SEND_BODY
        )

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _end_wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
