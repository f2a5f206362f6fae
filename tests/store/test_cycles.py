"""Cycles are recorded as given, and those of the last hour are added up."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from reconciler.scope import UNSCOPED
from reconciler.store import first_sync
from reconciler.store.cycles import CycleRecord, read_last_hour, record_cycle
from reconciler.store.database import Database
from reconciler.telemetry.health import LastHour

from .builders import Application, now_of

STARTED_AT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


def a_cycle(finished_at: datetime, **counts: int) -> CycleRecord:
    none = dict.fromkeys(
        (
            "duration_ms",
            "scanned",
            "reconciled",
            "discrepancies",
            "errors",
            "held",
            "skipped_locked",
            "requests",
            "weight",
        ),
        0,
    )
    return CycleRecord(
        host="trading-1",
        started_at=finished_at,
        finished_at=finished_at,
        transitions={},
        **{**none, **counts},
    )


def last_hour(database: Database, *cycles: CycleRecord) -> LastHour:
    with database.transaction() as connection:
        for cycle in cycles:
            record_cycle(connection, UNSCOPED, cycle)
        return read_last_hour(connection, UNSCOPED)


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
        record_cycle(connection, UNSCOPED, cycle)

    (row,) = application.execute("SELECT * FROM reconciliation_cycles").fetchall()
    assert row == {"id": row["id"], **asdict(cycle), "scope": UNSCOPED}


def test_the_last_hours_cycles_are_added_up_and_older_ones_are_not(
    application: Application, database: Database
) -> None:
    now = now_of(database)

    hour = last_hour(
        database,
        a_cycle(now - timedelta(minutes=61), scanned=1000, discrepancies=100, errors=10),
        a_cycle(now - timedelta(minutes=59), scanned=20, discrepancies=4, errors=1),
        a_cycle(now - timedelta(minutes=2), duration_ms=700, scanned=3, discrepancies=2),
    )

    assert (hour.scanned, hour.discrepancies, hour.errors) == (23, 6, 1)
    assert hour.last_duration_ms == 700
    assert hour.last_run_age_seconds is not None
    assert 120 <= hour.last_run_age_seconds < 180
    assert application.execute("SELECT FROM reconciliation_cycles").rowcount == 3


def test_the_last_run_is_known_however_long_ago_it_was(database: Database) -> None:
    hour = last_hour(database, a_cycle(now_of(database) - timedelta(days=2), scanned=9, errors=9))

    assert (hour.scanned, hour.errors) == (0, 0)
    assert hour.last_run_age_seconds is not None
    assert hour.last_run_age_seconds >= 2 * 24 * 3600


def test_a_run_in_the_future_by_another_hosts_clock_is_now(database: Database) -> None:
    hour = last_hour(database, a_cycle(now_of(database) + timedelta(minutes=2)))

    assert hour.last_run_age_seconds == 0


def test_without_any_cycle_no_run_is_known(database: Database) -> None:
    assert last_hour(database) == LastHour(is_first_sync=True)


def first_hour(database: Database, *cycles: tuple[timedelta, dict[str, int], bool]) -> LastHour:
    """Record cycles, each with its age, its counts and whether it ends its sweep."""
    now = now_of(database)
    with database.transaction() as connection:
        for age, counts, ends_sweep in cycles:
            cycle = a_cycle(now - age, **counts)
            first_sync.record_first_sync(
                connection,
                UNSCOPED,
                started_at=cycle.started_at,
                scanned=cycle.scanned,
                ends_sweep=ends_sweep,
            )
            record_cycle(connection, UNSCOPED, cycle)
        return read_last_hour(connection, UNSCOPED)


A_MINUTE = timedelta(minutes=1)
MOST_DIFFER = {"scanned": 100, "discrepancies": 90}
FEW_DIFFER = {"scanned": 50, "discrepancies": 1}


def test_the_first_sync_is_the_first_sweep_that_looked_at_any_order(database: Database) -> None:
    hour = first_hour(
        database,
        (9 * A_MINUTE, {}, True),
        (8 * A_MINUTE, MOST_DIFFER, False),
        (7 * A_MINUTE, MOST_DIFFER, True),
        (6 * A_MINUTE, FEW_DIFFER, True),
    )

    assert (hour.scanned, hour.discrepancies) == (250, 181)
    assert (hour.first_sync_scanned, hour.first_sync_discrepancies) == (200, 180)
    assert not hour.is_first_sync


def test_a_late_cycle_of_the_first_sweep_is_of_the_first_sync(
    database: Database,
) -> None:
    hour = first_hour(
        database, (7 * A_MINUTE, FEW_DIFFER, True), (8 * A_MINUTE, MOST_DIFFER, False)
    )

    assert hour.first_sync_scanned == hour.scanned == 150


def test_the_first_sync_lasts_until_its_sweep_has_ended(database: Database) -> None:
    hour = first_hour(database, (30 * A_MINUTE, MOST_DIFFER, False), (A_MINUTE, FEW_DIFFER, False))

    assert hour.is_first_sync
    assert hour.first_sync_scanned == hour.scanned == 150


def test_a_first_sync_that_never_ends_hides_nothing_after_a_day(database: Database) -> None:
    hour = first_hour(
        database, (timedelta(hours=25), MOST_DIFFER, False), (A_MINUTE, MOST_DIFFER, False)
    )

    assert not hour.is_first_sync
    assert (hour.scanned, hour.first_sync_scanned) == (100, 0)


def test_deleting_the_record_brings_no_second_first_sync(
    application: Application, database: Database
) -> None:
    first_hour(database, (timedelta(hours=3), MOST_DIFFER, True))
    application.execute("DELETE FROM reconciliation_cycles")

    hour = first_hour(database, (A_MINUTE, MOST_DIFFER, False))

    assert (hour.scanned, hour.first_sync_scanned) == (100, 0)


def test_a_table_with_cycles_of_an_earlier_release_has_no_first_sync(database: Database) -> None:
    last_hour(database, a_cycle(now_of(database) - timedelta(days=3), scanned=5))

    hour = first_hour(database, (A_MINUTE, MOST_DIFFER, False))

    assert (hour.scanned, hour.first_sync_scanned, hour.is_first_sync) == (100, 0, False)
