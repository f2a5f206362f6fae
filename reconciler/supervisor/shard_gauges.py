"""The gauges of shards. Only the supervisor sends them, so no dead worker's value comes late.

A gauge keeps its last value for as long as StatsD runs. So those of a shard must be set to 0 when
its worker has ended, and all that are about a running supervisor when it ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.resilience.breaker_state import BreakerState
from reconciler.telemetry.metric_catalog import of_kind
from reconciler.telemetry.metric_definition import Kind
from reconciler.telemetry.metrics import (
    GaugeName,
    Metrics,
    shard_breaker_state,
    shard_in_flight,
    shard_queued,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardFigures:
    """What the gauges of one shard show: its breaker, and the items that wait and are in flight."""

    breaker: BreakerState = BreakerState.CLOSED
    queued: int = 0
    in_flight: int = 0


class ShardGauges:
    """Sends the gauges of each shard, also of shards that are gone."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known: set[int] = set()

    def send(self, shards: Mapping[int, ShardFigures]) -> None:
        """Send the gauges of each shard; for a shard that is gone, send 0 once."""
        for shard in self._known - shards.keys():
            self._send(shard, ShardFigures())
        for shard, figures in shards.items():
            self._send(shard, figures)
        self._known = set(shards)

    def withdraw(self) -> None:
        """Give all gauges of a running supervisor the value that says that none runs."""
        self.send({})
        for metric in of_kind(Kind.GAUGE):
            value = None if metric.when_gone is None else metric.when_gone.gauge
            if value is not None and not metric.values:
                self._metrics.gauge(GaugeName(metric.pattern), value)
        self._metrics.flush()

    def _send(self, shard: int, figures: ShardFigures) -> None:
        self._metrics.gauge(shard_breaker_state(shard), figures.breaker.gauge)
        self._metrics.gauge(shard_queued(shard), figures.queued)
        self._metrics.gauge(shard_in_flight(shard), figures.in_flight)
