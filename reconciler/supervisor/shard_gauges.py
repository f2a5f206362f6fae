"""The supervisor's gauges. It alone writes them, so a worker's last word can come after none.

A gauge keeps its last value for as long as StatsD runs. So what is gone is set to 0: a shard when
its worker has ended, and all that only a running supervisor has, as its last act.
"""

from collections.abc import Mapping

from reconciler.resilience.breaker_state import BreakerState
from reconciler.telemetry.metrics import Gauge, Metrics, shard_breaker_state

OF_THE_RUNNING = (
    Gauge.SHARDS_DESIRED,
    Gauge.SHARDS_RUNNING,
    Gauge.SHARDS_PARKED,
    Gauge.BREAKERS_OPEN,
)
"""What there is none of when no supervisor runs."""


class ShardGauges:
    """The gauges of the shards, those included that are no more."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known: set[int] = set()

    def send(self, breakers: Mapping[int, BreakerState]) -> None:
        """Set the gauge of each shard that there is; 0 once for one that is gone."""
        for shard in self._known - breakers.keys():
            self._metrics.gauge(shard_breaker_state(shard), BreakerState.CLOSED.gauge)
        for shard, state in breakers.items():
            self._metrics.gauge(shard_breaker_state(shard), state.gauge)
        self._known = set(breakers)

    def withdraw(self) -> None:
        """Set to 0 what there is only while a supervisor runs, and send it."""
        self.send({})
        for gauge in OF_THE_RUNNING:
            self._metrics.gauge(gauge, 0)
        self._metrics.flush()
