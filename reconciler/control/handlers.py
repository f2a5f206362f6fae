"""Where the supervisor answers questions: what it is doing, where an order is, how it feels.

Everything here is read from what the supervisor keeps anyway; only `scale` changes something.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from reconciler import __version__
from reconciler.control.protocol import Command, LocateArguments, ScaleArguments
from reconciler.errors import ConfigurationError, Problem
from reconciler.resilience.breaker_state import BreakerState
from reconciler.settings import MAX_SHARDS
from reconciler.supervisor.coordinator import Coordinator
from reconciler.supervisor.pool import Slot
from reconciler.supervisor.process_memory import pss_bytes
from reconciler.supervisor.shard_health import ShardHealth
from reconciler.supervisor.sharding import bucket_of
from reconciler.supervisor.status import (
    BacklogStatus,
    BudgetStatus,
    CycleStatus,
    KeyStatus,
    OrderLocation,
    Phase,
    Scaling,
    ShardCounts,
    ShardState,
    ShardStatus,
    Status,
    Totals,
)
from reconciler.supervisor.summary import Summary
from reconciler.supervisor.threads import run_in_daemon_thread
from reconciler.telemetry.health import Vitals
from reconciler.workload import Backlog, Cycle

HOTTEST = 5


@dataclass(kw_only=True)
class ControlHandlers:
    """Answers for one supervisor.

    `scale` changes how many shards there are to be; `phase` says what the supervisor is doing.
    """

    coordinator: Coordinator
    summary: Summary
    scale: Callable[[int], None]
    phase: Callable[[], Phase]
    backlog: Backlog | None = None
    store_refusal: str | None = None
    """Why the database refuses the supervisor itself."""
    store_away: str | None = None
    """Why the supervisor waits for the database."""
    _backlog_at: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def note_backlog(self, backlog: Backlog) -> None:
        """Keep the backlog as measured now."""
        self.backlog = backlog
        self._backlog_at = time.monotonic()

    async def answer(self, command: str, arguments: Mapping[str, Any]) -> object:
        """Answer a question of the control socket.

        Raises:
            ConfigurationError: there is no such question, or its arguments do not fit.
        """
        match command:
            case Command.STATUS:
                return await self.status()
            case Command.HEALTH:
                await self.coordinator.history.wait_until_known()
                return self.vitals()
            case Command.SCALE:
                return self._scaled(_arguments(arguments, ScaleArguments))
            case Command.LOCATE:
                return self._location(_arguments(arguments, LocateArguments))
            case _:
                raise _refusal(
                    f"there is no command {command[:40]!r}", f"ask {' or '.join(Command)}"
                )

    async def status(self) -> Status:
        """Say everything."""
        pids = [os.getpid(), *(pid for pid in self.coordinator.pool.pids.values() if pid)]
        memory = await run_in_daemon_thread(lambda: {pid: pss_bytes(pid) for pid in pids})
        slots = sorted(self.coordinator.pool.slots.items())
        return Status(
            pid=os.getpid(),
            host=socket.gethostname(),
            version=__version__,
            started_at=self._started_at,
            uptime_seconds=self._uptime_seconds,
            phase=self.phase(),
            halted=self.coordinator.halt,
            shards=self._counts(),
            workers=tuple(self._shard_status(shard, slot, memory) for shard, slot in slots),
            backlog=self._backlog_status(),
            hottest=tuple(
                KeyStatus(key=key, items=items)
                for key, items in self.coordinator.dispatcher.items_by_key().most_common(HOTTEST)
            ),
            cycles=tuple(_cycle_status(cycle) for cycle in self.coordinator.history.cycles),
            budget=BudgetStatus(
                limit_per_minute=self.coordinator.window.limit,
                used=self.coordinator.window.spent,
                paused_seconds=self.coordinator.window.paused_seconds,
            ),
            totals=self._totals(),
            memory_bytes=memory.get(os.getpid()),
        )

    @property
    def _uptime_seconds(self) -> float:
        return time.monotonic() - self._started

    def vitals(self) -> Vitals:
        """Say what `health` judges."""
        known = Vitals.of(self.coordinator.history.last_hour)
        backlog = self.backlog
        last_age = known.last_run_age_seconds
        return replace(
            known,
            breakers_open=self.coordinator.breakers_in(BreakerState.OPEN),
            breakers_half_open=self.coordinator.breakers_in(BreakerState.HALF_OPEN),
            last_run_age_seconds=self._uptime_seconds if last_age is None else last_age,
            stale_orders=None if backlog is None else backlog.items,
            oldest_stale_age_seconds=self._oldest_stale_age_seconds(),
            stale_after_seconds=None if backlog is None else backlog.stale_after_seconds,
            open_orders=None if backlog is None else backlog.open_items,
            held_orders=None if backlog is None else backlog.held_items,
            oldest_hold_age_seconds=None if backlog is None else backlog.oldest_hold_age_seconds,
            halted=self.coordinator.halt,
            blocked=self._fault(is_of_store=False),
            store_refusal=self.store_refusal or self._fault(is_of_store=True),
            store_away=self.store_away,
            parked=len(self.coordinator.pool.parked),
        )

    def _oldest_stale_age_seconds(self) -> float | None:
        """Return the age as it is now: nobody has synced it while nothing could be measured."""
        if self.backlog is None:
            return None
        return self.backlog.oldest_age_seconds + time.monotonic() - self._backlog_at

    def _fault(self, *, is_of_store: bool) -> str | None:
        """Return what a person has to fix there for a shard to go on; None if there is nothing."""
        for health in self.coordinator.shard_health.values():
            kind = health.fault.kind if health.fault and health.has_fault else None
            if kind is not None and kind.needs_person and kind.is_of_store is is_of_store:
                return _fault_of(health)
        return None

    def _scaled(self, wanted: ScaleArguments) -> Scaling:
        if not 1 <= wanted.shards <= MAX_SHARDS:
            raise _refusal(
                f"{wanted.shards} shards cannot be", f"ask for 1 to {MAX_SHARDS}: each is a process"
            )
        scaling = Scaling.between(self.coordinator.options.shards, wanted.shards)
        if not wanted.plan:
            self.scale(wanted.shards)
        return scaling

    def _location(self, wanted: LocateArguments) -> OrderLocation:
        dispatcher = self.coordinator.dispatcher
        held = dispatcher.in_flight_batch(wanted.key, wanted.id)
        shard = dispatcher.owner_of(wanted.key) if held is None else held[0]
        health = self.coordinator.health_of(shard)
        slot = self.coordinator.pool.slots.get(shard)
        breaker, breaker_retry_seconds = _breaker_of(health)
        return OrderLocation(
            bucket=bucket_of(wanted.key),
            shard=shard,
            is_queued=dispatcher.is_queued(wanted.key, wanted.id),
            in_flight_in=None if held is None else held[0],
            in_flight_seconds=None if held is None else dispatcher.age_seconds(*held),
            shard_state=ShardState.BACKING_OFF if slot is None else slot.state,
            breaker=breaker,
            breaker_retry_seconds=breaker_retry_seconds,
            backing_off_seconds=health.backing_off_seconds,
            fault=_fault_of(health),
            paused_seconds=self.coordinator.window.paused_seconds,
            halted=self.coordinator.halt,
        )

    def _counts(self) -> ShardCounts:
        pool = self.coordinator.pool
        return ShardCounts(
            wanted=self.coordinator.options.shards,
            running=len(pool.workers),
            draining=len(pool.draining),
            parked=len(pool.parked),
        )

    def _shard_status(
        self, shard: int, slot: Slot, memory: Mapping[int, int | None]
    ) -> ShardStatus:
        dispatcher, health = self.coordinator.dispatcher, self.coordinator.health_of(shard)
        breaker, breaker_retry_seconds = _breaker_of(health)
        in_flight = list(dispatcher.in_flight(shard))
        pid = None if slot.worker is None else slot.worker.pid
        return ShardStatus(
            shard=shard,
            state=slot.state,
            pid=pid,
            age_seconds=time.monotonic() - slot.since,
            buckets=dispatcher.buckets_of(shard),
            queued=dispatcher.queued_for(shard),
            in_flight=sum(batch.size for batch in in_flight),
            in_flight_seconds=dispatcher.age_seconds(shard, in_flight[0]) if in_flight else None,
            done=health.finished.total,
            done_per_second=health.finished.per_second,
            breaker=breaker,
            breaker_retry_seconds=breaker_retry_seconds,
            fault=_fault_of(health),
            fault_age_seconds=health.fault_age_seconds,
            restarts=slot.backoff.recent,
            memory_bytes=None if pid is None else memory.get(pid),
        )

    def _backlog_status(self) -> BacklogStatus | None:
        if self.backlog is None:
            return None
        return BacklogStatus(
            items=self.backlog.items,
            oldest_age_seconds=self.backlog.oldest_age_seconds,
            measured_seconds_ago=time.monotonic() - self._backlog_at,
        )

    def _totals(self) -> Totals:
        return Totals(
            cycles=self.summary.cycles,
            restarts=self.summary.restarts,
            killed_hung=self.summary.killed_hung,
            set_aside=self.summary.set_aside,
            **self.summary.counts.by_name,
        )


def _fault_of(health: ShardHealth) -> str | None:
    return None if health.fault is None else health.fault.message.splitlines()[0]


def _breaker_of(health: ShardHealth) -> tuple[str | None, float]:
    """Return where the breaker stands, and when an open one lets the next probe through."""
    breaker = health.breaker
    return (None, 0.0) if breaker is None else (breaker.state.value, breaker.retry_after_seconds)


def _cycle_status(cycle: Cycle) -> CycleStatus:
    return CycleStatus(
        finished_at=cycle.finished_at, duration_ms=cycle.duration_ms, **cycle.counts.by_name
    )


def _arguments(given: Mapping[str, Any], expected: type[Any]) -> Any:
    try:
        return msgspec.convert(given, expected)
    except msgspec.ValidationError as error:
        raise _refusal(
            f"the arguments do not fit: {error}", "see docs/reference/control-socket.md"
        ) from None


def _refusal(what: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Problem(what=what, hint=hint)])
