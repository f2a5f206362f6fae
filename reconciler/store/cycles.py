"""The record of cycles: what `health` reads when no supervisor answers."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, insert

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


def record_cycle(connection: Connection, cycle: CycleRecord) -> None:
    """Write the cycle down."""
    connection.execute(insert(cycles), asdict(cycle))
