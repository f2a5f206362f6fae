"""The gauges of shards. Only the supervisor sends them, so no dead worker's value comes late.

A gauge keeps its last value for as long as StatsD runs. So it must be set to 0: the gauge of a
shard when its worker has ended, and all gauges of a running supervisor when it ends.
"""

from collections.abc import Mapping

from reconciler.resilience.breaker_state import BreakerState
from reconciler.telemetry.metrics import Gauge, Metrics, shard_breaker_state

RUNNING_GAUGES = (
    Gauge.SHARDS_DESIRED,
    Gauge.SHARDS_RUNNING,
    Gauge.SHARDS_PARKED,
    Gauge.BREAKERS_OPEN,
    Gauge.SHADOW_ACTIVE,
    Gauge.SHADOW_NOT_YET,
)
"""The gauges, besides those of shards, that are 0 when no supervisor runs."""


class ShardGauges:
    """Sends the gauge of each shard, also of shards that are gone."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known: set[int] = set()

    def send(self, breakers: Mapping[int, BreakerState]) -> None:
        """Send the gauge of each shard; for a shard that is gone, send 0 once."""
        for shard in self._known - breakers.keys():
            self._metrics.gauge(shard_breaker_state(shard), BreakerState.CLOSED.gauge)
        for shard, state in breakers.items():
            self._metrics.gauge(shard_breaker_state(shard), state.gauge)
        self._known = set(breakers)

    def withdraw(self) -> None:
        """Set all gauges of a running supervisor to 0."""
        self.send({})
        for gauge in RUNNING_GAUGES:
            self._metrics.gauge(gauge, 0)
        self._metrics.flush()
