"""The live states of supervisors in the database: recorded, read by all, and outlived honestly."""

from dataclasses import replace

import pytest

from reconciler.scope import UNSCOPED, Scope
from reconciler.store.database import Database
from reconciler.store.live_state import delete_live_state, read_live_states, record_live_state
from reconciler.telemetry.health import HostState

from .builders import Application

A = HostState(
    host="a", instance="a1", uptime_seconds=5, shards=4, account_fault="no", pause_seconds=2.5
)
B = replace(A, host="b", instance="b1")
HOUR = 3600
PAGE_BYTES = 8192


def record(database: Database, *hosts: HostState, scope: Scope = UNSCOPED) -> None:
    for host in hosts:
        with database.transaction() as connection:
            record_live_state(connection, scope, host)


def read(database: Database, scope: Scope = UNSCOPED) -> list[HostState]:
    """Read the states; the seconds of silence are whole."""
    with database.transaction() as connection:
        found = read_live_states(connection, scope)
    return [replace(host, silent_seconds=host.silent_seconds // 1) for host in found]


def silence(application: Application, host: str, seconds: int) -> None:
    """Have a host say nothing for some seconds."""
    application.execute(
        "UPDATE reconciliation_state SET changed_at = changed_at - %s * interval '1 s'"
        " WHERE value->>'host' = %s",
        (seconds, host),
    )


def test_each_supervisor_reads_the_states_of_all_of_its_scope(database: Database) -> None:
    record(database, A, B, replace(A, shards=9))
    record(database, replace(B, shards=7), scope=Scope("other"))

    assert sorted(read(database), key=lambda host: host.host) == [replace(A, shards=9), B]
    assert read(database, Scope("other")) == [replace(B, shards=7)]


def test_state_of_a_killed_supervisor_stays_and_says_how_old_it_is(
    database: Database, application: Application
) -> None:
    record(database, A, B)
    silence(application, "b", 61)

    record(database, A)

    assert [host.silent_seconds for host in read(database) if host.host == "b"] == [61]


@pytest.mark.parametrize(
    ("uptime", "silent", "left"),
    [(5, 8, ["a2"]), (9, 8, ["a1", "a2"]), (9, HOUR + 1, ["a2"])],
    ids=["it started since", "it runs next to it", "an hour ago"],
)
def test_supervisor_deletes_the_state_that_it_supersedes(
    database: Database, application: Application, uptime: float, silent: int, left: list[str]
) -> None:
    record(database, A)
    silence(application, "a", silent)

    record(database, replace(A, instance="a2", uptime_seconds=uptime))

    assert sorted(host.instance for host in read(database)) == left


def test_host_whose_name_begins_with_another_is_another(
    database: Database, application: Application
) -> None:
    record(database, replace(A, host="a.b"))
    silence(application, "a.b", 100)

    record(database, A)

    assert len(read(database)) == 2


def test_stopped_supervisor_leaves_nothing(database: Database) -> None:
    record(database, A, B)

    with database.transaction() as connection:
        delete_live_state(connection, UNSCOPED, A)

    assert read(database) == [B]


def test_state_that_cannot_be_read_is_skipped(database: Database, application: Application) -> None:
    record(database, A)
    application.execute(
        "INSERT INTO reconciliation_state (scope, key, value, changed_at, changed_by)"
        " SELECT '', 'supervisor.x.' || number, value, now(), 'me'"
        " FROM unnest(ARRAY['[]', '{}', '{\"host\": 1}']::jsonb[])"
        " WITH ORDINALITY AS found (value, number)"
    )

    assert read(database) == [A]


def test_recording_again_and_again_takes_no_more_room(
    database: Database, application: Application
) -> None:
    for weight in range(200):
        record(database, replace(A, planned_weight=weight))

    size = application.execute(
        "SELECT pg_relation_size('reconciliation_state') AS rows,"
        " pg_relation_size('reconciliation_state_pkey') AS keys"
    ).fetchone()
    # 200 versions of half a kilobyte would be 13 pages: they are HOT, and pruned as they come.
    assert size is not None
    assert size["rows"] <= 2 * PAGE_BYTES
    assert size["keys"] <= 2 * PAGE_BYTES
