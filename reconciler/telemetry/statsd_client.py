"""The client of StatsD: adds up what happened, and sends it in few packets.

Counters are added up. Of a gauge only the last value is sent. Of more than `MOST_TIMINGS` durations
of one name a sample is sent, with its rate: the shortest, the longest, and evenly between. So the
percentiles stay as they are, and StatsD counts all of them.

The `statsd` package formats and packs the lines, through `ConnectedClient`. What it does not do is
here: adding up for several threads, samples, other settings, a word when nothing listens.
"""

import math
import threading
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from reconciler.statsd_target import StatsdTarget
from reconciler.telemetry.connected_client import ConnectedClient, SamplePipeline
from reconciler.telemetry.statsd_resolver import ResolvedAddress, StatsdResolver

if TYPE_CHECKING:
    from reconciler.telemetry.metrics import Counter, CounterName, Gauge, GaugeName, Timer

MOST_TIMINGS = 50
"""The most durations of one name in a flush. With one line for each order that changed, a thousand
orders would take 90 packets."""

KEPT_TIMINGS = 10_000
"""The durations of one name that are kept, the latest, until the address of StatsD is known."""

GAUGE_DECIMALS = 3

LAST_LOOKUP_SECONDS = 1.0

log = structlog.get_logger(__name__)


class StatsdMetrics:
    """A client that sends few lines and UDP packets. Any thread may record; one flushes.

    Until the address of StatsD is known, and there is a way there, everything is kept; of
    durations, only the latest.
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
        self._client: ConnectedClient | None = None
        self._sent_to: ResolvedAddress | None = None
        self._is_refused = False
        self._lock = threading.Lock()
        self._recorded = _Recorded()

    def incr(self, name: "Counter | CounterName", count: int = 1) -> None:
        """Add `count` to a counter. With 0 the counter is sent, so that its series exists."""
        with self._lock:
            counts = self._recorded.counts
            counts[name] = counts.get(name, 0) + count

    def timing(self, name: "Timer", ms: float) -> None:
        """Record a duration, in milliseconds."""
        self.timings(name, (ms,))

    def timings(self, name: "Timer", durations_ms: Collection[float]) -> None:
        """Record several durations of one name, in milliseconds."""
        if durations_ms:
            with self._lock:
                kept = self._recorded.timings.setdefault(name, deque(maxlen=KEPT_TIMINGS))
                kept.extend(durations_ms)

    def gauge(self, name: "Gauge | GaugeName", value: float) -> None:
        """Set a gauge; only the last value before a flush is sent.

        A value below 0 becomes 0: StatsD takes a sign for a change of the gauge. One that is no
        number is left out.
        """
        if math.isfinite(value):
            with self._lock:
                self._recorded.gauges[name] = max(0, value)

    def flush(self) -> None:
        """Send everything since the last flush. A lost packet is not sent again."""
        client = self._client_for_address()
        if client is None:
            if self._resolver is None:
                self._take()
            return
        with client.pipeline() as packets:
            is_anything = self._take().put_into(packets)
        if is_anything:
            self._report(client.take_refusal())

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
        self._close_client()

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._sent_to = None

    def _client_for_address(self) -> ConnectedClient | None:
        """Return a client of the present address; None while it is not known or out of reach."""
        address = None if self._resolver is None else self._resolver.current
        if address != self._sent_to and address is not None:
            self._close_client()
            try:
                self._client = ConnectedClient(address, prefix=self._target.prefix)
            except OSError as error:
                self._report(str(error))
            else:
                self._sent_to = address
        return self._client

    def _take(self) -> "_Recorded":
        """Return what was recorded since the last call."""
        with self._lock:
            taken, self._recorded = self._recorded, _Recorded()
        return taken

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


@dataclass(kw_only=True, slots=True)
class _Recorded:
    """What was recorded and is not sent yet, by name."""

    counts: dict[str, int] = field(default_factory=dict)
    timings: dict[str, deque[float]] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)

    def put_into(self, packets: SamplePipeline) -> bool:
        """Add all of it to a pipeline; return whether there was anything."""
        for name, count in self.counts.items():
            packets.incr(name, count)
        for name, durations in self.timings.items():
            packets.sampled_timings(name, sample_of(durations), of=len(durations))
        for name, value in self.gauges.items():
            packets.gauge(name, round(value, GAUGE_DECIMALS))
        return any((self.counts, self.timings, self.gauges))


def sample_of(durations: Sequence[float]) -> Sequence[float]:
    """Return the durations, or of many the shortest, the longest, and evenly between."""
    if len(durations) <= MOST_TIMINGS:
        return durations
    ordered = sorted(durations)
    step = (len(ordered) - 1) / (MOST_TIMINGS - 1)
    return [ordered[round(place * step)] for place in range(MOST_TIMINGS)]
