"""Resolve the host name of StatsD in a thread, so that a slow name server delays nothing.

A name that does not resolve is looked up again after 1 s, 2 s, 4 s and so on, at most 60 s. A name
that resolves is looked up every minute, because its address may change. If it stops resolving, the
last address stays.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

FIRST_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 60.0

LookUp = Callable[[str, int], Sequence[tuple[Any, ...]]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedAddress:
    """An address of StatsD as a number, so that no further look-up is needed."""

    host: str
    port: int
    is_ipv6: bool


class StatsdResolver:
    """Knows the present address of StatsD, once its name has been resolved."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        log_failures: bool = True,
        look_up_name: "LookUp | None" = None,
    ) -> None:
        """Begin to resolve; a host that is given as a number is resolved at once.

        Args:
            host: The name or the number of the host.
            port: The UDP port.
            log_failures: Log when the name does not resolve, and when it finally does.
            look_up_name: Does what `socket.getaddrinfo` does; for tests.
        """
        self._host = host
        self._port = port
        self._log_failures = log_failures
        self._look_up = look_up_name or look_up
        self._is_closed = threading.Event()
        self._first_attempt = threading.Event()
        self._has_failed = False
        self.current = _numeric(host, port)
        """The address; None while it is not known."""
        if self.current is None:
            threading.Thread(
                target=self._keep_resolving, name="statsd-address", daemon=True
            ).start()

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds` until the name has been looked up once, with or without success."""
        if self.current is None:
            self._first_attempt.wait(seconds)

    def close(self) -> None:
        """Stop resolving."""
        self._is_closed.set()

    def _keep_resolving(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            is_found = self._resolve()
            self._first_attempt.set()
            if self._is_closed.wait(MAX_RETRY_SECONDS if is_found else pause):
                return
            pause = FIRST_RETRY_SECONDS if is_found else min(2 * pause, MAX_RETRY_SECONDS)

    def _resolve(self) -> bool:
        try:
            found = self._look_up(self._host, self._port)
        except (OSError, UnicodeError) as error:
            self._record_failure(error)
            return False
        if self._has_failed and self.current is None and self._log_failures:
            log.warning("metrics.on", host=self._host)
        self.current = preferred(found)
        return True

    def _record_failure(self, error: Exception) -> None:
        if self.current is None and self._log_failures and not self._has_failed:
            log.warning(
                "metrics.off",
                reason=str(error),
                host=self._host,
                hint="wait until the name resolves, set STATSD_HOST to another, or unset it",
            )
        self._has_failed = True


def look_up(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    """Ask the name server.

    Raises:
        OSError, UnicodeError: the name does not resolve.
    """
    return socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)


def _numeric(host: str, port: int) -> ResolvedAddress | None:
    try:
        flags = socket.AI_NUMERICHOST
        return preferred(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags))
    except (OSError, UnicodeError):
        return None


def preferred(found: Sequence[tuple[Any, ...]]) -> ResolvedAddress:
    """Return the first IPv4 address; without one, the first of all."""
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return ResolvedAddress(host=address[0], port=address[1], is_ipv6=family == socket.AF_INET6)
