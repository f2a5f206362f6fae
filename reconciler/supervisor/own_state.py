"""The live state of this supervisor: what `health` has to know of it, and nothing else does."""

import math
import socket
from secrets import token_hex

from reconciler.resilience.breaker_state import BreakerState
from reconciler.supervisor.coordinator import Coordinator
from reconciler.telemetry.health import HostState
from reconciler.workload import FaultKind


class OwnState:
    """Builds the live state of one supervisor.

    Attributes:
        instance: Tells this process from others on its host.
        store_refusal: Why the database refuses the supervisor itself; None if it does not.
        store_away: Why the database is unavailable to the supervisor; None if it is not.
        sharing_failure: Why the state could not be recorded the last time; None if it was.
    """

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._host = socket.gethostname()
        self.instance = token_hex(4)
        self.store_refusal: str | None = None
        self.store_away: str | None = None
        self.sharing_failure: str | None = None

    def build(self, *, uptime_seconds: float, stale_after_seconds: float | None) -> HostState:
        """Return the state as of now, of a supervisor with that uptime and stale time."""
        coordinator = self._coordinator
        return HostState(
            host=self._host,
            instance=self.instance,
            uptime_seconds=uptime_seconds,
            shards=coordinator.options.shards,
            shards_parked=len(coordinator.pool.parked),
            breakers_open=coordinator.breakers_in(BreakerState.OPEN),
            breakers_half_open=coordinator.breakers_in(BreakerState.HALF_OPEN),
            halted=coordinator.halt.reason,
            account_fault=self._fault(FaultKind.REFUSED, FaultKind.ACCOUNT),
            exchange_fault=self._fault(FaultKind.EXCHANGE),
            store_refusal=self.store_refusal or self._fault(FaultKind.RIGHTS),
            store_away=self.store_away or self.sharing_failure or self._fault(FaultKind.STORE),
            pause_seconds=coordinator.rate_limits.paused_seconds,
            budget_per_minute=self._budget_per_minute,
            planned_orders=coordinator.planned.orders,
            planned_weight=coordinator.planned.weight,
            stale_after_seconds=stale_after_seconds,
        )

    @property
    def _budget_per_minute(self) -> int | None:
        limit = self._coordinator.weight_per_minute
        return None if limit is None else math.floor(limit)

    def _fault(self, *kinds: FaultKind) -> str | None:
        """Return the first current fault of these kinds, by its cause, in one line."""
        for health in self._coordinator.shard_health.values():
            cause = health.cause
            if cause is not None and cause.kind in kinds:
                return cause.first_line
        return None
