"""The record of each scope's cycles. `reconciler health` reads it when no supervisor answers."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, text

from reconciler.scope import Scope
from reconciler.store.first_sync import LAST_START
from reconciler.store.tables import cycles
from reconciler.telemetry.health import LastHour

CLOCKS_AGREE = timedelta(seconds=2)
"""A smaller difference may only be the way to the database."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleRecord:
    """The counts of one cycle: of orders, except `requests` and `weight`.

    `transitions` counts the changes by "from.to", as in the names of the metrics.
    """

    host: str
    started_at: datetime
    finished_at: datetime
    duration_ms: int
    scanned: int
    reconciled: int
    discrepancies: int
    errors: int
    held: int
    skipped_locked: int
    requests: int
    weight: int
    transitions: dict[str, int]


def clock_ahead(connection: Connection, now: datetime) -> timedelta:
    """Return how far `now`, by a host's clock, is ahead of the database's; 0 if they nearly agree.

    The age of the last run is taken by the database's clock. A host an hour ahead would seem to run
    for an hour after its end, and one an hour behind would never seem to run.
    """
    theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    ahead = now - theirs
    return ahead if abs(ahead) > CLOCKS_AGREE else timedelta()


def record_cycle(connection: Connection, scope: Scope, cycle: CycleRecord) -> None:
    """Write the record of a cycle."""
    connection.execute(insert(cycles), {**asdict(cycle), "scope": scope})


def read_last_hour(connection: Connection, scope: Scope) -> LastHour:
    """Read the sums of the last hour's cycles, by the database's clock."""
    return LastHour(**connection.execute(_LAST_HOUR, {"scope": scope}).mappings().one())


_LAST_HOUR = text(
    f"""
    WITH first_sync AS ({LAST_START}),
    hour AS (
        SELECT *, coalesce(started_at <= (TABLE first_sync), false) AS is_first
        FROM reconciliation_cycles
        WHERE scope = :scope AND finished_at > now() - interval '1 hour'
    ),
    last AS (
        SELECT finished_at, duration_ms FROM reconciliation_cycles
        WHERE scope = :scope
        ORDER BY finished_at DESC LIMIT 1
    )
    SELECT
        coalesce(sum(scanned), 0) AS scanned,
        coalesce(sum(discrepancies), 0) AS discrepancies,
        coalesce(sum(errors), 0) AS errors,
        coalesce(sum(weight), 0) AS weight,
        max(duration_ms) AS slowest_duration_ms,
        coalesce(sum(scanned) FILTER (WHERE is_first), 0) AS first_sync_scanned,
        coalesce(sum(discrepancies) FILTER (WHERE is_first), 0) AS first_sync_discrepancies,
        coalesce(now() <= (TABLE first_sync), NOT EXISTS (TABLE last)) AS is_first_sync,
        (SELECT greatest(0, extract(epoch FROM now() - finished_at))::float8 FROM last)
            AS last_run_age_seconds,
        (SELECT duration_ms FROM last) AS last_duration_ms
    FROM hour
    """  # noqa: S608 - put together from constants
)
