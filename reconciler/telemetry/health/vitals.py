"""The values that the verdict is made from."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class LastHour:
    """The cycles of the last hour, on all hosts; and the last cycle, however old it is.

    Attributes:
        scanned, discrepancies, errors: Orders of all these cycles.
        first_sync_scanned, first_sync_discrepancies: The same for the cycles that belong to the
            table's first sync.
        is_first_sync: True while the first sync is going on.
        last_run_age_seconds: How long ago the last cycle ended; None if none has been recorded.
        last_duration_ms: How long the last cycle took.
    """

    scanned: int = 0
    discrepancies: int = 0
    errors: int = 0
    first_sync_scanned: int = 0
    first_sync_discrepancies: int = 0
    is_first_sync: bool = False
    last_run_age_seconds: float | None = None
    last_duration_ms: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Vitals:
    """The values that the verdict is made from. A value that is not known is None.

    Attributes:
        last_hour: The cycles of the last hour.
        breakers_open, breakers_half_open: Shards with a circuit breaker in that state.
        stale_orders: Orders that are stale.
        oldest_stale_age_seconds: How long the oldest of them has not been synced.
        stale_after_seconds: How long an order may go without a sync before it is stale.
        open_orders, held_orders: Open orders, and how many of them are on hold.
        oldest_hold_age_seconds: How long ago the oldest hold began.
        halted: Why nothing may be written.
        blocked: The problem at the exchange that a person must fix: a refused key, another account.
        store_refusal: The problem at the database that a person must fix: a right, a password.
        store_away: Why the database takes no work at the moment: it is away, or read-only.
        parked: Shards that are out of service because their workers kept dying.
        is_shadow: True if the supervisor writes nothing. What it finds different is then no alarm:
            to find that is what it runs for.
    """

    last_hour: LastHour = field(default_factory=LastHour)
    breakers_open: int | None = None
    breakers_half_open: int | None = None
    stale_orders: int | None = None
    oldest_stale_age_seconds: float | None = None
    stale_after_seconds: float | None = None
    open_orders: int | None = None
    held_orders: int | None = None
    oldest_hold_age_seconds: float | None = None
    halted: str | None = None
    blocked: str | None = None
    store_refusal: str | None = None
    store_away: str | None = None
    parked: int | None = None
    is_shadow: bool = False
