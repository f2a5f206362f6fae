"""The record of cycles: what `health` reads when no supervisor answers."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select

from reconciler.store.tables import cycles


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleRecord:
    """What one cycle did. Counts are orders, except `requests` and `weight`.

    `transitions` counts the changes by "from.to", as in the metrics' names.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class LastHour:
    """What the cycles of the last hour did, on all hosts; the last cycle however old it is.

    The last cycle's part is None where no cycle has ever been recorded.
    """

    scanned: int
    discrepancies: int
    errors: int
    last_run_age_seconds: float | None
    last_duration_ms: int | None


def record_cycle(connection: Connection, cycle: CycleRecord) -> None:
    """Write the cycle down."""
    connection.execute(insert(cycles), asdict(cycle))


def read_last_hour(connection: Connection) -> LastHour:
    """Read what the last hour's cycles did, by the database's clock."""
    since = func.now() - timedelta(hours=1)
    sums = (func.coalesce(func.sum(cycles.c[name]), 0) for name in _SUMMED)
    scanned, discrepancies, errors = connection.execute(
        select(*sums).where(cycles.c.finished_at > since)
    ).one()
    last = connection.execute(
        select(
            func.extract("epoch", func.now() - cycles.c.finished_at).label("age_seconds"),
            cycles.c.duration_ms,
        )
        .order_by(cycles.c.finished_at.desc())
        .limit(1)
    ).one_or_none()
    return LastHour(
        scanned=scanned,
        discrepancies=discrepancies,
        errors=errors,
        last_run_age_seconds=None if last is None else max(0.0, float(last.age_seconds)),
        last_duration_ms=None if last is None else last.duration_ms,
    )


_SUMMED = ("scanned", "discrepancies", "errors")
