"""Counts over a table of the user's own: with a filter, in their words, with a side table."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from reconciler.scope import UNSCOPED
from reconciler.store import bounded_source
from reconciler.store.coverage import Coverage, describe_followed
from reconciler.store.coverage_count import explain_no_stale_orders, measure_coverage
from reconciler.store.database import Database
from reconciler.store.duplicates import measure_duplicates
from reconciler.store.holds import measure_holds
from reconciler.store.migrations.indexes import build_index
from reconciler.store.open_index import index_problems
from reconciler.store.side_table import (
    create_side_table,
    delete_abandoned_times,
    place_problems,
    side_table_ddl,
)
from reconciler.store.tables import metadata
from reconciler.store.user_table import UserTable

from .builders import SHAPES, Application, make_ready
from .hostile_table import BY_SIDE_TABLE, DDL, DONE, LIVE, PART, SYNCED, TABLE, insert

ANY_TIME = timedelta(minutes=5)
OTHERS = "of another program"


@pytest.fixture
def _hostile(owner: Application) -> None:
    """The hostile table: three open orders of ours, two that name the same one, and others."""
    owner.execute(DDL)
    for number, status in enumerate((LIVE, LIVE, PART), start=1):
        insert(owner, number, status, external=str(min(number, 2)) if number > 1 else "2")
    insert(owner, 4, LIVE, external=None)
    insert(owner, 5, DONE)
    insert(owner, 6, LIVE, note=OTHERS)
    insert(owner, 7, "of nobody", note=OTHERS)


def measure(database: Database, table: UserTable) -> Coverage:
    with database.transaction() as connection:
        found = measure_coverage(connection, table, timeout_seconds=30)
    assert found is not None
    return found


@pytest.mark.usefixtures("_hostile")
def test_only_the_rows_of_the_filter_count_each_word_with_its_meaning(
    empty_database: Database,
) -> None:
    found = measure(empty_database, TABLE)

    assert (found.rows, found.followed, found.without_id, found.not_followed) == (5, 3, 1, 1)
    assert found.remarks == ('1 open row has no "ext:id" and is not followed',)
    assert describe_followed(found) == (
        f"3 followed: {LIVE} (open) 2, PARTIALLY_FILLED (partial) 1"
    )


@pytest.mark.usefixtures("_hostile")
def test_words_that_the_file_leaves_out_are_a_problem_with_their_counts(
    owner: Application, empty_database: Database
) -> None:
    insert(owner, 8, "in doubt")
    insert(owner, 9, "in doubt")
    insert(owner, 10, "NEW")

    found = measure(empty_database, TABLE)

    assert found.left_out == {"in doubt": 2, "NEW": 1}
    problem = found.left_out_problem
    assert problem is not None
    assert problem.what == (
        "3 rows have a status that [orders.statuses] leaves out: 'in doubt' 2, NEW 1"
    )
    assert '"in doubt" = ...; NEW = ... (open, pending,' in problem.hint


@pytest.mark.usefixtures("_hostile")
def test_a_sample_of_a_large_table_is_of_the_filter_too(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_source, "MAX_READ_BYTES", 0)
    with empty_database.connection() as connection:
        build_index(connection, TABLE)

    found = measure(empty_database, TABLE)

    assert (found.is_estimate, found.rows, found.followed) == (True, 5, 3)


@pytest.mark.usefixtures("_hostile")
def test_duplicates_and_holds_are_counted_among_the_rows_of_the_filter(
    owner: Application, empty_database: Database
) -> None:
    metadata.create_all(empty_database._engine)
    with empty_database.transaction() as connection:
        duplicates = measure_duplicates(connection, TABLE)
        holds = measure_holds(connection, TABLE, UNSCOPED)

    assert duplicates is not None
    assert [str(one) for one in duplicates.most] == ["2 of BTC/USDT (3 rows)"]
    assert (holds.open_orders, holds.held_orders) == (3, 0)
    owner.execute(f"TRUNCATE {TABLE.name}".encode())
    with empty_database.transaction() as connection:
        reason = explain_no_stale_orders(connection, TABLE, UNSCOPED, ANY_TIME)
    assert reason == 'nothing to do: no row is open by [orders.statuses] and has an "ext:id"'


@pytest.mark.parametrize("id_type", ["text", "uuid", "varchar(40)", "an_id"])
def test_the_side_table_takes_the_type_of_the_ids_and_keeps_times_of_open_orders(
    id_type: str, owner: Application, empty_database: Database
) -> None:
    owner.execute("CREATE DOMAIN an_id AS text CHECK (VALUE <> '')")
    owner.execute(DDL.replace('"order_id" bigint', f'"order_id" {id_type}'))
    ids = [f"{number:032x}" for number in range(3)]
    for id_, status in zip(ids, (LIVE, DONE, LIVE), strict=True):
        insert(owner, id_, status)
    with empty_database.transaction() as connection:
        create_side_table(connection, BY_SIDE_TABLE)
    owner.execute(side_table_ddl(BY_SIDE_TABLE).encode())
    for id_ in ids[:2]:
        owner.execute(
            "INSERT INTO reconciliation_sync VALUES (%s, now() - interval '2 hours')", [id_]
        )

    with empty_database.transaction() as connection:
        deleted = delete_abandoned_times(connection, BY_SIDE_TABLE)

    left = owner.execute("SELECT replace(order_id::text, '-', '') AS id FROM reconciliation_sync")
    assert deleted == 1
    assert left.fetchall() == [{"id": ids[0]}]


def test_times_are_taken_over_only_from_the_plain_column(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(DDL.replace("note text", "last_synced_at timestamptz DEFAULT now(), note text"))
    insert(owner, 1, LIVE)
    insert(owner, 2, DONE)

    with empty_database.transaction() as connection:
        create_side_table(connection, BY_SIDE_TABLE)

    assert owner.execute("SELECT order_id AS id FROM reconciliation_sync").fetchall() == [{"id": 1}]


def test_a_contradiction_about_the_place_of_the_times_is_named_both_ways(
    owner: Application, empty_database: Database
) -> None:
    owner.execute(DDL)

    def problems(connection: Connection, table: UserTable) -> list[tuple[str, str]]:
        return [(one.what, one.hint) for one in place_problems(connection, table)]

    with empty_database.connection() as connection:
        assert problems(connection, TABLE) == []
        assert problems(connection, BY_SIDE_TABLE) == [
            ("table reconciliation_sync is missing", "run: reconciler db upgrade")
        ]
        create_side_table(connection, BY_SIDE_TABLE)
        assert problems(connection, BY_SIDE_TABLE) == []
        ((what, hint),) = problems(connection, TABLE)

    assert f'"{SYNCED}"' in what
    assert hint.startswith('write last_synced_at = "side-table" in [orders.columns], or,')


def test_a_view_needs_no_index(owner: Application, empty_database: Database) -> None:
    make_ready(owner, SHAPES["bigint id, text status"].ddl)
    owner.execute("ALTER TABLE orders RENAME TO base; CREATE VIEW orders AS SELECT * FROM base")

    with empty_database.connection() as connection:
        assert index_problems(connection, UserTable()) == []
    assert measure(empty_database, UserTable()).rows == 0
