"""The work of the last hour is that of all hosts of a scope, by minute and by change."""

from reconciler.scope import UNSCOPED, Scope
from reconciler.store.database import Database
from reconciler.store.recent_work import MOST_CYCLES, read_recent_work

from .builders import Application

CYCLES = """
    INSERT INTO reconciliation_cycles (scope, host, started_at, finished_at, duration_ms, scanned,
        reconciled, discrepancies, errors, held, skipped_locked, requests, weight, transitions)
    SELECT scope, host, at, at, ms, scanned, 0, 2, 1, 0, 0, 1, 4, '{"new.filled": 2}'
    FROM (VALUES
        ('', 'a', 10, 50, 3), ('', 'b', 11, 900, 5), ('', 'a', 5, 70, 0), ('', 'a', 61, 9, 9),
        ('other', 'a', 10, 9, 9)
    ) AS cycle (scope, host, minutes, ms, scanned),
    LATERAL (SELECT date_trunc('minute', now()) - minutes * interval '1 min' AS at) AS moment
"""


def test_last_hour_is_added_up_over_hosts_and_not_over_scopes(
    database: Database, application: Application
) -> None:
    application.execute(CYCLES)

    with database.transaction() as connection:
        work = read_recent_work(connection, UNSCOPED)
        nothing = read_recent_work(connection, Scope("third"))

    assert [(cycle.host, cycle.scanned) for cycle in work.cycles] == [("a", 3), ("b", 5)]
    assert [(one.scanned, one.slowest_ms) for one in work.minutes] == [(5, 900), (3, 50), (0, 70)]
    assert work.transitions == {"new.filled": 6}
    assert (nothing.cycles, nothing.minutes, nothing.transitions) == ([], [], {})


def test_only_the_latest_cycles_are_listed(database: Database, application: Application) -> None:
    for _ in range(MOST_CYCLES):
        application.execute(CYCLES)

    with database.transaction() as connection:
        work = read_recent_work(connection, UNSCOPED)

    assert len(work.cycles) == MOST_CYCLES
    assert {cycle.host for cycle in work.cycles} == {"a"}
