"""Where StatsD is: its name is looked up in a thread, so that a slow name server stops nothing.

A name that cannot be found is looked up again, after 1 s, 2 s, 4 s and so on; one that was found
every minute, because the machine behind it may change. While it cannot be found any more, the last
address stays.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

LookUp = Callable[[str, int], Sequence[tuple[Any, ...]]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """An address of StatsD, as a number, so that nothing is looked up in order to use it."""

    host: str
    port: int
    is_ipv6: bool


class StatsdAddress:
    """The address of a host, as far as it is known."""

    def __init__(
        self, host: str, port: int, *, is_told: bool = True, look_up: "LookUp | None" = None
    ) -> None:
        """Look it up: at once if it is a number, else in a thread.

        Args:
            host: Its name, or its number.
            port: UDP.
            is_told: Log it when the name cannot be found, and when it can at last.
            look_up: `socket.getaddrinfo`, in short.
        """
        self._host = host
        self._port = port
        self._is_told = is_told
        self._look_up = look_up or _look_up
        self._is_closed = threading.Event()
        self._has_looked = threading.Event()
        self._has_failed = False
        self.current = _numeric(host, port)
        """None while it is not known."""
        if self.current is None:
            threading.Thread(target=self._keep_looking, name="statsd-address", daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until it was looked up once, whatever came of it, but no longer than that."""
        if self.current is None:
            self._has_looked.wait(seconds)

    def close(self) -> None:
        """Look no more."""
        self._is_closed.set()

    def _keep_looking(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            is_found = self._look()
            self._has_looked.set()
            if self._is_closed.wait(LONGEST_PAUSE_SECONDS if is_found else pause):
                return
            pause = FIRST_PAUSE_SECONDS if is_found else min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _look(self) -> bool:
        try:
            found = self._look_up(self._host, self._port)
        except (OSError, UnicodeError) as error:
            self._tell_failure(error)
            return False
        if self._has_failed and self.current is None and self._is_told:
            log.warning("metrics.on", host=self._host)
        self.current = _preferred(found)
        return True

    def _tell_failure(self, error: Exception) -> None:
        if self.current is None and self._is_told and not self._has_failed:
            log.warning(
                "metrics.off",
                reason=str(error),
                host=self._host,
                hint="wait until the name resolves, set STATSD_HOST to another, or unset it",
            )
        self._has_failed = True


def _look_up(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)


def _numeric(host: str, port: int) -> Address | None:
    try:
        flags = socket.AI_NUMERICHOST
        return _preferred(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags))
    except (OSError, UnicodeError):
        return None


def _preferred(found: Sequence[tuple[Any, ...]]) -> Address:
    """Return the first address, one of IPv4 before all others."""
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return Address(host=address[0], port=address[1], is_ipv6=family == socket.AF_INET6)
