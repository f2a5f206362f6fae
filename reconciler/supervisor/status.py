"""The status of a supervisor, as `status` and `top` show it and USR2 logs it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.telemetry.shadow import Mode, ShadowFigures
from reconciler.workload import CountFields


class Phase(StrEnum):
    """The state of the supervisor as a whole."""

    STARTING = "starting"
    RUNNING = "running"
    HALTED = "halted"
    DRAINING = "draining"


class ShardState(StrEnum):
    """The state of a shard's worker; the last two are of a shard without a worker."""

    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    BACKING_OFF = "backing_off"
    PARKED = "parked"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardCounts:
    """The number of shards that are wanted, and of those that run, drain and are parked."""

    desired: int
    running: int
    draining: int
    parked: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardStatus:
    """One shard and its worker.

    Attributes:
        pid: The worker's process id; None while there is no worker.
        age_seconds: The age of the worker; without one, how long there has been none.
        buckets: The number of buckets that belong to the shard.
        queued, in_flight: Items that wait for the shard, and items assigned to its worker.
        in_flight_seconds: How long the oldest batch has been in flight; None if there is none.
        done: Items finished since the supervisor's start.
        done_per_second: The same, over the last ten seconds.
        breaker: The circuit breaker: closed, half_open or open; None before the worker's first
            message about it.
        breaker_retry_seconds: How long until an open breaker lets the next probe through.
        fault, fault_age_seconds: The last fault that kept the worker from working, and its age.
        restarts: Deaths within the window of the restart limit.
        memory_bytes: The proportional set size; None if it was not measured, or the system does
            not report it.
    """

    shard: int
    state: ShardState
    pid: int | None
    age_seconds: float
    buckets: int
    queued: int
    in_flight: int
    in_flight_seconds: float | None
    done: int
    done_per_second: float
    breaker: str | None
    breaker_retry_seconds: float
    fault: str | None
    fault_age_seconds: float | None
    restarts: int
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BacklogStatus:
    """The stale items, as last measured."""

    items: int
    oldest_age_seconds: float
    measured_seconds_ago: float


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyStatus:
    """A symbol, and the number of its items that are queued or in flight."""

    key: str
    items: int


@dataclass(kw_only=True, slots=True)
class CycleStatus(CountFields):
    """A finished cycle."""

    finished_at: datetime
    duration_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitStatus:
    """One limit of the exchange, and how far it is used.

    Attributes:
        scope: Whose requests it counts together: address, account, key or route.
        published: The units that it allows within a window, or the cap of a leaking counter; less
            where RECONCILIATION_LIMITS lowers it.
        allowed, used: The units of it that this host may use, and has used.
        window_seconds: The length of the window; None for a counter that leaks.
        leak_per_second: By how much the counter falls; None for a window.
        account_used: The units that all programs have used, by the exchange's last word on it.
        blocked_seconds: How long no request may take from it, because little of it is left.
    """

    name: str
    scope: str
    published: int
    allowed: int
    used: int
    window_seconds: float | None = None
    leak_per_second: float | None = None
    account_used: int | None = None
    blocked_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetStatus:
    """The host's rate budget, and any pause.

    Attributes:
        limit_per_minute, used: Of the tightest limit the units that this host may use within its
            window, and those that it has used.
        tightest: The limit of which the largest part is used; None without limits.
        limits: Every limit, in the order of the venue.
    """

    limit_per_minute: int
    used: int
    paused_seconds: float
    tightest: str | None = None
    limits: tuple[LimitStatus, ...] = ()


@dataclass(kw_only=True, slots=True)
class Totals(CountFields):
    """The counts since the supervisor's start."""

    cycles: int
    restarts: int
    killed_hung: int
    set_aside: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SupervisorStatus:
    """The whole status. `halted` is why nothing may be written; the newest cycle comes first.

    `shadow` is what a shadow has found; None if this supervisor writes.
    """

    pid: int
    host: str
    version: str
    started_at: datetime
    uptime_seconds: float
    phase: Phase
    mode: Mode
    shadow: ShadowFigures | None
    halted: str | None
    shards: ShardCounts
    workers: tuple[ShardStatus, ...]
    backlog: BacklogStatus | None
    hottest: tuple[KeyStatus, ...]
    cycles: tuple[CycleStatus, ...]
    budget: BudgetStatus
    totals: Totals
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderLocation:
    """The place of an item in the supervisor, for `explain`.

    Attributes:
        bucket: The bucket of the item's key.
        shard: The shard whose worker has the item; if none has, the shard of the bucket.
        is_queued: True if the item waits for a worker.
        in_flight_in: The shard whose worker has it; None if none has.
        in_flight_seconds: How long the worker has had it.
        shard_state, breaker, breaker_retry_seconds: The shard's, as in `ShardStatus`.
        backing_off_seconds: How much longer the shard gets no work, after a fault.
        fault: The last fault of the shard.
        paused_seconds: How much longer the rate-limit pause lasts.
        halted: Why nothing may be written at all.
    """

    bucket: int
    shard: int
    is_queued: bool
    in_flight_in: int | None
    in_flight_seconds: float | None
    shard_state: ShardState
    breaker: str | None
    breaker_retry_seconds: float
    backing_off_seconds: float
    fault: str | None
    paused_seconds: float
    halted: str | None
