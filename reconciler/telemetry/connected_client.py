"""The `statsd` package's client, with a socket that notices when nothing listens.

The package formats the lines and packs them into packets; its own socket hides every failure. Ours
is connected: then the kernel reports that the other side refused an earlier packet, at the next
send. That packet is lost, and so would be the one that got the report: it is sent again.
"""

from collections.abc import Collection

from statsd import StatsClient
from statsd.client.udp import Pipeline

from reconciler.telemetry.statsd_resolver import ResolvedAddress

MAX_PACKET_BYTES = 512
"""The size that every network carries in one piece (IPv4 promises 576 with headers, RFC 791): a
packet in pieces is lost with any one of them. A flush is still only a few packets."""

TRIES = 2
"""The first may only get the report about an earlier packet."""


class ConnectedClient(StatsClient):  # type: ignore[misc] # the package has no types
    """A client of one address that never waits. Sending never raises."""

    def __init__(self, address: ResolvedAddress, *, prefix: str) -> None:
        """Open the socket.

        Raises:
            OSError: there is no way to the address.
        """
        super().__init__(address.host, address.port, prefix, MAX_PACKET_BYTES, address.is_ipv6)
        self._refusal: str | None = None
        self._sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            self._sock.connect(self._addr)
        except OSError:
            self.close()
            raise

    def pipeline(self) -> "SamplePipeline":
        """Return a collector of lines, which sends them in few packets when its block ends."""
        return SamplePipeline(self)

    def take_refusal(self) -> str | None:
        """Return what is known against any packet since the last call.

        A network that drops packets says nothing, so None is no proof.
        """
        refusal, self._refusal = self._refusal, None
        return refusal

    def _send(self, data: str) -> None:
        for _ in range(TRIES):
            try:
                self._sock.send(data.encode("ascii"))
            except OSError as error:
                self._refusal = str(error)
            else:
                break


class SamplePipeline(Pipeline):  # type: ignore[misc] # the package has no types
    """The package's pipeline, which can also send a sample that is taken already."""

    def sampled_timings(self, name: str, sample: Collection[float], *, of: int) -> None:
        """Add a sample of `of` durations, in milliseconds, with its rate.

        Given a rate, the package's `timing` would leave out most of them at random: it samples
        itself. And it writes nanoseconds, for which a packet holds fewer lines.
        """
        rate = "" if len(sample) == of else f"|@{len(sample) / of:.9g}"
        for ms in sample:
            self._send_stat(name, f"{ms:.3f}|ms{rate}", 1)
