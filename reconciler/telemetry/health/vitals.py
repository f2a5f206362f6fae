"""The values that the verdict is made from: of the orders, and of each supervisor."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class LastHour:
    """The cycles of the last hour, on all hosts; and the last cycle, however old it is.

    Attributes:
        scanned, discrepancies, errors: Orders of all these cycles.
        weight: The weight of the rate budget that they used.
        slowest_duration_ms: How long the slowest of them took; None if none has ended.
        first_sync_scanned, first_sync_discrepancies: The same for the cycles that belong to the
            table's first sync.
        is_first_sync: True while the first sync is going on.
        last_run_age_seconds: How long ago the last cycle ended; None if none has been recorded.
        last_duration_ms: How long the last cycle took.
    """

    scanned: int = 0
    discrepancies: int = 0
    errors: int = 0
    weight: int = 0
    slowest_duration_ms: int | None = None
    first_sync_scanned: int = 0
    first_sync_discrepancies: int = 0
    is_first_sync: bool = False
    last_run_age_seconds: float | None = None
    last_duration_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HostState:
    """The live state of one supervisor, which only it knows and which it records for the others.

    Attributes:
        host: The name of its machine.
        instance: Tells this process from others on the machine, before it and next to it.
        silent_seconds: How long ago this was its state; 0 in its own answer.
        uptime_seconds: How long it had been running then.
        shards, shards_parked: Shards that are wanted, and those that are out of service because
            their workers kept dying.
        breakers_open, breakers_half_open: Shards with a circuit breaker in that state.
        halted: Why it may write nothing.
        account_fault: What a person has to fix about the account: a refused key, another account.
        exchange_fault: Why the exchange cannot be asked at the moment.
        store_refusal: What a person has to fix at the database: a right, a password.
        store_away: Why the database takes no work at the moment: it is away, or read-only.
        pause_seconds: How much longer the rate-limit pause lasted then.
        budget_per_minute: The weight that it may use in a minute; None if there is no limit.
        planned_orders, planned_weight: Orders of the last page that it planned, and the weight that
            they will probably cost.
        stale_after_seconds: How long an order may go without a sync before it is stale; None if it
            does not judge that.
    """

    host: str
    instance: str
    silent_seconds: float = 0.0
    uptime_seconds: float = 0.0
    shards: int = 0
    shards_parked: int = 0
    breakers_open: int = 0
    breakers_half_open: int = 0
    halted: str | None = None
    account_fault: str | None = None
    exchange_fault: str | None = None
    store_refusal: str | None = None
    store_away: str | None = None
    pause_seconds: float = 0.0
    budget_per_minute: int | None = None
    planned_orders: int = 0
    planned_weight: int = 0
    stale_after_seconds: float | None = None

    @property
    def age_seconds(self) -> float:
        """How long ago it started, as of now."""
        return self.uptime_seconds + self.silent_seconds

    @property
    def paused_seconds(self) -> float:
        """How much longer its rate-limit pause lasts, as of now."""
        return max(0.0, self.pause_seconds - self.silent_seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vitals:
    """The values that the verdict is made from. A value that is not known is None.

    Attributes:
        last_hour: The cycles of the last hour.
        stale_orders: Orders that are stale.
        oldest_stale_age_seconds: How long the oldest of them has not been synced.
        unreached_orders: Those of them that the first sync had not looked at when they were
            counted; 0 if it was over then.
        stale_after_seconds: How long an order may go without a sync before it is stale.
        open_orders, held_orders: Open orders, and how many of them are on hold.
        oldest_hold_age_seconds: How long ago the oldest hold began.
        counted_seconds_ago: How long ago these orders and holds were counted.
        halted: Why nothing may be written, as the database has it.
        hosts: The supervisors of these orders: the one that answers first, then the others as they
            last recorded their state.
        is_shadow: True if the supervisor writes nothing. What it finds different is then no alarm:
            to find that is what it runs for.
    """

    last_hour: LastHour = field(default_factory=LastHour)
    stale_orders: int | None = None
    oldest_stale_age_seconds: float | None = None
    unreached_orders: int | None = None
    stale_after_seconds: float | None = None
    open_orders: int | None = None
    held_orders: int | None = None
    oldest_hold_age_seconds: float | None = None
    counted_seconds_ago: float = 0.0
    halted: str | None = None
    hosts: tuple[HostState, ...] = ()
    is_shadow: bool = False

    @property
    def is_in_first_sync(self) -> bool:
        """True while the table's first sync has not looked at all orders that are stale."""
        if self.unreached_orders is None:
            return self.last_hour.is_first_sync
        return self.unreached_orders > 0
