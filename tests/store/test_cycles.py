"""A cycle's record is kept as it was told."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from reconciler.store.cycles import CycleRecord, record_cycle
from reconciler.store.database import Database

from .builders import Application

STARTED_AT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


def test_a_cycle_is_recorded_with_every_count_and_transition(
    application: Application, database: Database
) -> None:
    cycle = CycleRecord(
        host="trading-1",
        started_at=STARTED_AT,
        finished_at=STARTED_AT + timedelta(seconds=2),
        duration_ms=2000,
        scanned=10,
        reconciled=7,
        discrepancies=6,
        errors=1,
        held=2,
        skipped_locked=3,
        requests=4,
        weight=80,
        transitions={"new.filled": 5, "partial.canceled": 1},
    )

    with database.transaction() as connection:
        record_cycle(connection, cycle)

    (row,) = application.execute("SELECT * FROM reconciliation_cycles").fetchall()
    assert {name: value for name, value in row.items() if name != "id"} == asdict(cycle)
