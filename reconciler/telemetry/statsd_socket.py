"""A UDP socket to StatsD that never waits, never raises, and notices when nothing listens.

The socket is connected: then the kernel reports that the other side refused an earlier packet, at
the next send. That packet is lost, and so would be the one that got the report: it is sent again.
"""

import socket
from collections.abc import Iterable

from reconciler.telemetry.statsd_resolver import ResolvedAddress

TRIES = 2
"""The first may only get the report about an earlier packet."""


class StatsdSocket:
    """A socket to one address. It is opened when it is first needed, and again if that failed."""

    def __init__(self, address: ResolvedAddress) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def send(self, packets: Iterable[bytes]) -> str | None:
        """Send each packet once; return why not all of these and the last ones arrived, if known.

        A network that drops packets says nothing, so None is no proof.
        """
        reason = None
        for packet in packets:
            reason = self._send(packet) or reason
        return reason

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, packet: bytes) -> str | None:
        """Send a packet; return what is known against it or the one before."""
        reason = None
        for _ in range(TRIES):
            try:
                self._open().send(packet)
            except OSError as error:
                reason = str(error)
            else:
                break
        return reason

    def _open(self) -> socket.socket:
        """Return the socket, connected.

        Raises:
            OSError: there is no way to the address.
        """
        if self._socket is None:
            self._socket = connected(self._address)
        return self._socket


def connected(address: ResolvedAddress) -> socket.socket:
    """Return a UDP socket that is connected to an address, and does not block.

    Raises:
        OSError: there is no way to the address.
    """
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)  # noqa: FBT003 - the socket's own signature
        opened.connect((address.host, address.port))
    except OSError:
        opened.close()
        raise
    return opened
