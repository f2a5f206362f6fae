"""Take a snapshot of the running supervisor: what it and its shards are doing at this moment."""

import math
import os
import socket
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from reconciler import __version__
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.resilience.rate_limits import LimitUse, RateLimits
from reconciler.supervisor.coordinator import Coordinator
from reconciler.supervisor.own_state import OwnState
from reconciler.supervisor.process_memory import pss_bytes
from reconciler.supervisor.sharding import bucket_of
from reconciler.supervisor.sharing import StateSharing
from reconciler.supervisor.status import (
    BacklogStatus,
    BudgetStatus,
    CycleStatus,
    KeyStatus,
    LimitStatus,
    OrderLocation,
    Phase,
    ShardCounts,
    ShardState,
    ShardStatus,
    SupervisorStatus,
    Totals,
)
from reconciler.supervisor.summary import Summary
from reconciler.supervisor.threads import run_in_daemon_thread
from reconciler.telemetry.health import HostState, Vitals
from reconciler.telemetry.shadow import Mode
from reconciler.workload import NO_LIMIT, Backlog, Cycle, WorkerFault, Workload

HOTTEST = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class SupervisorSnapshot:
    """The supervisor at one moment: for people, and for the health verdict."""

    status: SupervisorStatus
    vitals: Vitals


class SnapshotBuilder:
    """Builds the snapshots of one supervisor, and keeps the values that only they need.

    Attributes:
        own: The live state of this supervisor.
        sharing: Shares it with the other hosts, and knows theirs.
    """

    def __init__(self, coordinator: Coordinator, summary: Summary, workload: Workload) -> None:
        self._coordinator = coordinator
        self._workload = workload
        self._pool = coordinator.pool
        self._dispatcher = coordinator.dispatcher
        self._limits = coordinator.rate_limits
        self._history = coordinator.history
        self._summary = summary
        self.own = OwnState(coordinator)
        self.sharing = StateSharing(self.own, self._own_state, coordinator.writes)
        self._backlog: Backlog | None = None
        self._backlog_at = 0.0
        self._started = time.monotonic()
        self._started_at = datetime.now(UTC)

    @property
    def mode(self) -> Mode:
        """Whether the work is written."""
        return Mode.LIVE if self._workload.shadow_figures is None else Mode.SHADOW

    def record_backlog(self, backlog: Backlog, *, is_first_sync: bool) -> None:
        """Record the backlog. `is_first_sync`: the first sync was going on when it was measured."""
        self._backlog = backlog if is_first_sync else replace(backlog, unreached_items=0)
        self._backlog_at = time.monotonic() - backlog.measured_seconds_ago

    def build(self, phase: Phase) -> SupervisorSnapshot:
        """Return the supervisor as it is now, in its `phase`."""
        return SupervisorSnapshot(status=self._status(phase), vitals=self._vitals())

    def locate(self, key: str, item_id: str) -> OrderLocation:
        """Return the place of an item (queued, in flight or neither) and its shard's state."""
        held = self._dispatcher.in_flight_batch(key, item_id)
        shard = self._dispatcher.owner_of(key) if held is None else held[0]
        health = self._coordinator.health_of(shard)
        slot = self._pool.slots.get(shard)
        breaker, breaker_retry_seconds = _state_and_retry_seconds(health.breaker)
        return OrderLocation(
            bucket=bucket_of(key),
            shard=shard,
            is_queued=self._dispatcher.is_queued(key, item_id),
            in_flight_in=None if held is None else held[0],
            in_flight_seconds=None if held is None else self._dispatcher.age_seconds(*held),
            shard_state=ShardState.BACKING_OFF if slot is None else slot.state,
            breaker=breaker,
            breaker_retry_seconds=breaker_retry_seconds,
            backing_off_seconds=health.backing_off_seconds,
            fault=_first_line(health.fault),
            paused_seconds=self._limits.paused_seconds,
            halted=self._coordinator.halt.reason,
        )

    def _status(self, phase: Phase) -> SupervisorStatus:
        return SupervisorStatus(
            pid=os.getpid(),
            host=socket.gethostname(),
            version=__version__,
            started_at=self._started_at,
            uptime_seconds=self._uptime_seconds,
            phase=phase,
            mode=self.mode,
            shadow=self._workload.shadow_figures,
            halted=self._coordinator.halt.reason,
            shards=ShardCounts(
                desired=self._coordinator.options.shards,
                running=len(self._pool.workers),
                draining=len(self._pool.draining),
                parked=len(self._pool.parked),
            ),
            workers=tuple(self._shard_status(shard) for shard in sorted(self._pool.slots)),
            backlog=self._backlog_status(),
            hottest=tuple(
                KeyStatus(key=key, items=items)
                for key, items in self._dispatcher.items_by_key().most_common(HOTTEST)
            ),
            cycles=tuple(_cycle_status(cycle) for cycle in self._history.cycles),
            budget=_budget_status(self._limits),
            totals=Totals(
                cycles=self._summary.cycles,
                restarts=self._summary.restarts,
                killed_hung=self._summary.killed_hung,
                set_aside=self._summary.set_aside,
                **self._summary.counts.by_name,
            ),
        )

    @property
    def _uptime_seconds(self) -> float:
        return time.monotonic() - self._started

    def _shard_status(self, shard: int) -> ShardStatus:
        slot, health = self._pool.slots[shard], self._coordinator.health_of(shard)
        breaker, breaker_retry_seconds = _state_and_retry_seconds(health.breaker)
        in_flight = list(self._dispatcher.in_flight(shard))
        return ShardStatus(
            shard=shard,
            state=slot.state,
            pid=None if slot.worker is None else slot.worker.pid,
            age_seconds=time.monotonic() - slot.since,
            buckets=self._dispatcher.buckets_of(shard),
            queued=self._dispatcher.queued_for(shard),
            in_flight=sum(batch.size for batch in in_flight),
            in_flight_seconds=(
                self._dispatcher.age_seconds(shard, in_flight[0]) if in_flight else None
            ),
            done=health.finished.total,
            done_per_second=health.finished.per_second,
            breaker=breaker,
            breaker_retry_seconds=breaker_retry_seconds,
            fault=_first_line(health.fault),
            fault_age_seconds=health.fault_age_seconds,
            restarts=self._coordinator.backoffs.of(shard).recent,
        )

    def _backlog_status(self) -> BacklogStatus | None:
        if self._backlog is None:
            return None
        return BacklogStatus(
            items=self._backlog.items,
            oldest_age_seconds=self._backlog.oldest_age_seconds,
            measured_seconds_ago=time.monotonic() - self._backlog_at,
        )

    def _vitals(self) -> Vitals:
        backlog = self._backlog
        return Vitals(
            last_hour=self._history.last_hour,
            stale_orders=None if backlog is None else backlog.items,
            oldest_stale_age_seconds=self._oldest_stale_age_seconds(),
            unreached_orders=None if backlog is None else backlog.unreached_items,
            stale_after_seconds=self._stale_after_seconds,
            open_orders=None if backlog is None else backlog.open_items,
            held_orders=None if backlog is None else backlog.held_items,
            oldest_hold_age_seconds=None if backlog is None else backlog.oldest_hold_age_seconds,
            counted_seconds_ago=0.0 if backlog is None else time.monotonic() - self._backlog_at,
            halted=self.sharing.halted,
            hosts=(self._own_state(), *self.sharing.others),
            is_shadow=self.mode is Mode.SHADOW,
        )

    def _own_state(self) -> HostState:
        return self.own.build(
            uptime_seconds=self._uptime_seconds, stale_after_seconds=self._stale_after_seconds
        )

    @property
    def _stale_after_seconds(self) -> float | None:
        return None if self._backlog is None else self._backlog.stale_after_seconds

    def _oldest_stale_age_seconds(self) -> float | None:
        """Return the age as of now, assuming that the order has not been synced since measured."""
        if self._backlog is None:
            return None
        return self._backlog.oldest_age_seconds + time.monotonic() - self._backlog_at


async def with_memory(status: SupervisorStatus) -> SupervisorStatus:
    """Return the status with the memory of the supervisor and of each worker, measured now."""
    pids = [status.pid, *(worker.pid for worker in status.workers if worker.pid is not None)]
    memory = await run_in_daemon_thread(lambda: {pid: pss_bytes(pid) for pid in pids})
    workers = tuple(
        worker if worker.pid is None else replace(worker, memory_bytes=memory[worker.pid])
        for worker in status.workers
    )
    return replace(status, workers=workers, memory_bytes=memory[status.pid])


def _first_line(fault: WorkerFault | None) -> str | None:
    return None if fault is None else fault.first_line


def _state_and_retry_seconds(breaker: BreakerSnapshot | None) -> tuple[str | None, float]:
    """Return a breaker's state, and the seconds until an open one lets the next probe through."""
    return (None, 0.0) if breaker is None else (breaker.state.value, breaker.retry_after_seconds)


def _cycle_status(cycle: Cycle) -> CycleStatus:
    return CycleStatus(
        finished_at=cycle.finished_at, duration_ms=cycle.duration_ms, **cycle.counts.by_name
    )


def _budget_status(limits: RateLimits) -> BudgetStatus:
    tightest = limits.tightest
    return BudgetStatus(
        limit_per_minute=NO_LIMIT if tightest is None else math.floor(tightest.allowed),
        used=0 if tightest is None else round(tightest.used),
        paused_seconds=limits.paused_seconds,
        tightest=None if tightest is None else tightest.limit.name,
        limits=tuple(map(_limit_status, limits.uses)),
    )


def _limit_status(use: LimitUse) -> LimitStatus:
    window = use.limit.window
    return LimitStatus(
        name=use.limit.name,
        scope=use.limit.scope,
        published=use.limit.amount,
        allowed=math.floor(use.allowed),
        used=round(use.used),
        window_seconds=None if window is None else window.total_seconds(),
        leak_per_second=use.limit.leak_per_second,
        account_used=use.account_used,
        blocked_seconds=use.blocked_seconds,
    )
