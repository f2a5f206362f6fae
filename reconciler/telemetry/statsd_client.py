"""The client of StatsD: adds up what happened, and sends it in few packets.

Counters are added up. Of a gauge only the last value is sent. Of more than `MOST_TIMINGS` durations
of one name a sample is sent, with its rate: the shortest, the longest, and evenly between. So the
percentiles stay as they are, and StatsD counts all of them.

It sends by itself instead of by a library: so it notices when nothing listens, and says it once.
"""

import math
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import structlog

from reconciler.statsd_target import StatsdTarget
from reconciler.telemetry.statsd_resolver import ResolvedAddress, StatsdResolver
from reconciler.telemetry.statsd_socket import StatsdSocket

if TYPE_CHECKING:
    from reconciler.telemetry.metrics import Counter, CounterName, Gauge, GaugeName, Timer

MAX_PACKET_BYTES = 512
"""The size that every network carries in one piece (IPv4 promises 576 with headers, RFC 791): a
packet in pieces is lost with any one of them. A flush is still only a few packets."""

MOST_TIMINGS = 50
"""The most durations of one name in a flush. With one line for each order that changed, a thousand
orders would take 90 packets."""

KEPT_TIMINGS = 10_000
"""The durations of one name that are kept, the latest, until the address of StatsD is known."""

LAST_LOOKUP_SECONDS = 1.0

log = structlog.get_logger(__name__)


class StatsdMetrics:
    """A client that sends few lines and UDP packets. Any thread may record; one flushes.

    Until the address of StatsD is known, everything is kept; of durations, only the latest.
    """

    def __init__(
        self,
        target: StatsdTarget,
        *,
        resolver: StatsdResolver | None = None,
        log_failures: bool = True,
    ) -> None:
        """Prepare, and begin to resolve the target's name.

        Args:
            target: Where to send; without a host, nothing is kept and nothing sent.
            resolver: Knows the address; by default one that resolves the target's host.
            log_failures: Log when nothing takes the metrics.
        """
        self._target = target
        self._log_failures = log_failures
        self._resolver = resolver or self._resolver_of(target)
        self._socket: StatsdSocket | None = None
        self._sent_to: ResolvedAddress | None = None
        self._is_refused = False
        self._lock = threading.Lock()
        self._forget()

    def incr(self, name: "Counter | CounterName", count: int = 1) -> None:
        """Add `count` to a counter. With 0 the counter is sent, so that its series exists."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + count

    def timing(self, name: "Timer", ms: float) -> None:
        """Record a duration, in milliseconds."""
        self.timings(name, (ms,))

    def timings(self, name: "Timer", durations_ms: Collection[float]) -> None:
        """Record several durations of one name, in milliseconds."""
        if durations_ms:
            with self._lock:
                kept = self._timings.setdefault(name, deque(maxlen=KEPT_TIMINGS))
                kept.extend(durations_ms)

    def gauge(self, name: "Gauge | GaugeName", value: float) -> None:
        """Set a gauge; only the last value before a flush is sent.

        A value below 0 becomes 0: StatsD takes a sign for a change of the gauge. One that is no
        number is left out.
        """
        if math.isfinite(value):
            with self._lock:
                self._gauges[name] = max(0, value)

    def flush(self) -> None:
        """Send everything since the last flush. A lost packet is not sent again."""
        open_socket = self._socket_for_address()
        if open_socket is None:
            if self._resolver is None:
                self._take_lines()
            return
        packets = list(packets_of(self._target.prefix, self._take_lines()))
        if packets:
            self._report(open_socket.send(packets))

    def retarget(self, target: StatsdTarget) -> None:
        """Flush, and send to `target` from now on."""
        if target == self._target:
            return
        self.flush()
        self._close()
        self._target = target
        self._resolver = self._resolver_of(target)
        self._is_refused = False

    def close(self) -> None:
        """Flush, and close the socket. Waits up to 1 s for an address that is being looked up."""
        if self._resolver is not None:
            self._resolver.wait(LAST_LOOKUP_SECONDS)
        self.flush()
        self._close()

    def _resolver_of(self, target: StatsdTarget) -> StatsdResolver | None:
        if target.host is None:
            return None
        return StatsdResolver(target.host, target.port, log_failures=self._log_failures)

    def _close(self) -> None:
        if self._resolver is not None:
            self._resolver.close()
        if self._socket is not None:
            self._socket.close()
        self._socket = self._sent_to = None

    def _socket_for_address(self) -> StatsdSocket | None:
        """Return a socket to the present address; None while the address is not known."""
        address = None if self._resolver is None else self._resolver.current
        if address != self._sent_to and address is not None:
            if self._socket is not None:
                self._socket.close()
            self._socket = StatsdSocket(address)
            self._sent_to = address
        return self._socket

    def _forget(self) -> None:
        self._counts: dict[str, int] = {}
        self._timings: dict[str, deque[float]] = {}
        self._gauges: dict[str, float] = {}

    def _take_lines(self) -> list[str]:
        """Return what was recorded since the last call, as lines without the prefix."""
        with self._lock:
            counts, timings, gauges = self._counts, self._timings, self._gauges
            self._forget()
        lines = [f"{name}:{count}|c" for name, count in counts.items()]
        for name, durations in timings.items():
            lines += _timer_lines(name, durations)
        lines += [f"{name}:{_number(value)}|g" for name, value in gauges.items()]
        return lines

    def _report(self, reason: str | None) -> None:
        """Log once that nothing takes the metrics, and once that they are taken again."""
        was_refused, self._is_refused = self._is_refused, reason is not None
        if was_refused is self._is_refused or not self._log_failures:
            return
        if reason is None:
            log.warning("metrics.on", host=self._target.host)
        else:
            log.warning(
                "metrics.refused",
                reason=reason,
                host=self._target.host,
                port=self._target.port,
                hint="start StatsD there, or correct or unset STATSD_HOST and STATSD_PORT",
            )


def packets_of(prefix: str, lines: Iterable[str]) -> Iterator[bytes]:
    """Pack lines into packets of at most `MAX_PACKET_BYTES`; a longer line has its own."""
    packet: list[bytes] = []
    size = 0
    for line in lines:
        encoded = f"{prefix}.{line}".encode()
        if packet and size + len(encoded) > MAX_PACKET_BYTES:
            yield b"\n".join(packet)
            packet, size = [], 0
        packet.append(encoded)
        size += len(encoded) + 1
    if packet:
        yield b"\n".join(packet)


def _timer_lines(name: str, durations: Sequence[float]) -> Iterator[str]:
    sampled = sample_of(durations)
    rate = "" if len(sampled) == len(durations) else f"|@{len(sampled) / len(durations):.9g}"
    return (f"{name}:{_number(ms)}|ms{rate}" for ms in sampled)


def sample_of(durations: Sequence[float]) -> Sequence[float]:
    """Return the durations, or of many the shortest, the longest, and evenly between."""
    if len(durations) <= MOST_TIMINGS:
        return durations
    ordered = sorted(durations)
    step = (len(ordered) - 1) / (MOST_TIMINGS - 1)
    return [ordered[round(place * step)] for place in range(MOST_TIMINGS)]


def _number(value: float) -> str:
    """Write a number with up to three decimal places, and without an exponent."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
