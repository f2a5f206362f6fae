"""What a supervisor says of itself: what `status`, `top` and `health` show, and USR2 logs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reconciler.supervisor.sharding import BUCKETS, moved_buckets
from reconciler.workload import CountFields


class Phase(StrEnum):
    """What the supervisor as a whole is doing."""

    STARTING = "starting"
    RUNNING = "running"
    HALTED = "halted"
    DRAINING = "draining"


class ShardState(StrEnum):
    """Where a shard is: in its worker's life, or, of the last two, why it has none."""

    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    STOPPING = "stopping"
    BACKING_OFF = "backing_off"
    PARKED = "parked"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardCounts:
    """How many shards there should be, and how many there are."""

    desired: int
    running: int
    draining: int
    parked: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardStatus:
    """One shard and its worker.

    Attributes:
        pid: None while it has no worker.
        age_seconds: How old the worker is; without one, how long there has been none.
        buckets: How many of the 256 are its own.
        queued, in_hand: Items that wait for it, and that its worker has.
        in_hand_seconds: How long its worker has had the oldest of them; None: nothing in hand.
        done: Items finished since the supervisor's start.
        done_per_second: The same of the last ten seconds.
        breaker: Its circuit breaker: closed, half_open or open; None before the first word.
        breaker_retry_seconds: When an open breaker lets the next probe through.
        trouble: The last thing that stood in its way, and how long ago.
        restarts: Deaths within the window that the restart limit looks at.
        memory_bytes: Proportional set size; None where the system does not say.
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
    """The stale items as last measured."""

    items: int
    oldest_age_seconds: float
    measured_seconds_ago: float


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyStatus:
    """One symbol, and how many of its items are queued or in hand."""

    key: str
    items: int


@dataclass(kw_only=True, slots=True)
class CycleStatus(CountFields):
    """A finished cycle."""

    finished_at: datetime
    duration_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetStatus:
    """The host's rate budget: what it may spend a minute, what it has, and any silence."""

    limit_per_minute: int
    used: int
    paused_seconds: float


@dataclass(kw_only=True, slots=True)
class Totals(CountFields):
    """What has been done since the start."""

    cycles: int
    restarts: int
    killed_hung: int
    set_aside: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """Everything. `halted` is why nothing may be written; lists begin with what matters most."""

    pid: int
    host: str
    version: str
    started_at: datetime
    uptime_seconds: float
    phase: Phase
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
    """Where the supervisor has an item, for `explain`.

    Attributes:
        shard: Whose the key's bucket is.
        is_queued: It waits for that shard, or another that helps out.
        in_hand_of: The shard whose worker has it.
        in_hand_seconds: Since when.
        shard_state, breaker, breaker_retry_seconds: That shard's, as in `ShardStatus`.
        held_back_seconds: How much longer the shard is handed nothing, after trouble.
        trouble: What that was.
        paused_seconds: How much longer the exchange wants silence.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaling:
    """What a change of the shard count moves."""

    before: int
    after: int
    buckets_moved: int
    buckets: int

    @classmethod
    def between(cls, before: int, after: int) -> "Scaling":
        """Return what a change from one number of shards to another moves."""
        moved = moved_buckets(before, after)
        return cls(before=before, after=after, buckets_moved=moved, buckets=BUCKETS)
