"""Sessions, transactions and slots that keep dead rows are named, with a hint; others are not."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from reconciler.store.database import Database
from reconciler.store.vacuum import MIN_BLOCKED_TIME, vacuum_blockers

from .builders import Application, connect_application, insert_order, until

NO_TIME = timedelta(0)


def blockers(database: Database, *, min_time: timedelta = NO_TIME) -> list[tuple[str, str]]:
    with database.autocommit() as connection:
        found = vacuum_blockers(connection, min_time=min_time, min_transactions=0)
        return [(problem.what, problem.hint) for problem in found]


def keeps_what_dies(application: Application) -> bool:
    """Delete a row and vacuum; return True if the dead row is still there."""
    notices: list[str] = []
    application.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    insert_order(application, 99)
    application.execute("DELETE FROM orders WHERE id = 99")
    application.execute("VACUUM (VERBOSE, PROCESS_TOAST false) orders")
    (kept,) = re.findall(r"(\d+) are dead but not yet removable", "".join(notices))
    return int(kept) > 0


@contextmanager
def a_session(url: str, *statements: str) -> Iterator[int]:
    """Run the statements in a session that stays open for the block; yield its pid."""
    with connect_application(url) as session:
        for statement in statements:
            session.execute(statement.encode())
        yield session.info.backend_pid
        session.rollback()


@contextmanager
def a_slot_that_keeps_rows(url: str, application: Application, name: str) -> Iterator[None]:
    """Act as a standby with hot_standby_feedback for the block; its slot remains."""
    application.execute("SELECT pg_create_physical_replication_slot(%s)", (name,))
    now = application.execute(
        "SELECT pg_current_wal_flush_lsn()::text AS position,"
        " pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest"
    ).fetchone()
    assert now is not None
    standby = psycopg.pq.PGconn.connect(f"{url}&replication=true&application_name=standby".encode())
    try:
        standby.exec_(f"START_REPLICATION SLOT {name} PHYSICAL {now['position']}".encode())
        # https://www.postgresql.org/docs/18/protocol-replication.html: hot standby feedback
        standby.put_copy_data(struct.pack("!cqIIII", b"h", 0, now["oldest"] % 2**32, 0, 0, 0))
        standby.flush()
        until(
            application,
            "SELECT xmin IS NOT NULL AS answer FROM pg_replication_slots WHERE slot_name = %s",
            name,
        )
        yield
    finally:
        standby.finish()


def test_no_open_transaction_means_no_blocker(application: Application, database: Database) -> None:
    assert blockers(database) == []
    assert not keeps_what_dies(application)


@pytest.mark.parametrize(
    "statements",
    [
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1"),
        ("BEGIN", "DECLARE pages CURSOR FOR SELECT FROM orders", "FETCH pages"),
        ("BEGIN", "INSERT INTO orders (symbol) VALUES ('BTCUSDT')"),
    ],
    ids=["a snapshot", "a cursor", "an uncommitted row"],
)
def test_an_idle_session_that_keeps_rows_is_named_with_a_hint(
    statements: tuple[str, ...], database_url: str, application: Application, database: Database
) -> None:
    with a_session(database_url, *statements) as pid:
        ((what, hint),) = blockers(database)
        keeps = keeps_what_dies(application)

    assert keeps
    assert what.startswith(f"session {pid} (")
    assert ", role postgres, idle in transaction) holds it back for 00:0" in what
    assert f"SELECT pg_terminate_backend({pid})" in hint
    assert "ALTER ROLE postgres SET idle_in_transaction_session_timeout" in hint


def test_an_idle_session_that_keeps_no_rows_is_not_named(
    database_url: str, application: Application, database: Database
) -> None:
    with a_session(database_url, "BEGIN", "SELECT FROM orders"):
        assert blockers(database) == []
        assert not keeps_what_dies(application)


def test_a_session_of_another_database_is_not_named(
    postgres_url: str, application: Application, database: Database
) -> None:
    with a_session(postgres_url, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1"):
        assert blockers(database) == []
        assert not keeps_what_dies(application)


def test_a_transaction_that_just_began_is_not_named(database_url: str, database: Database) -> None:
    with a_session(database_url, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1"):
        assert blockers(database, min_time=MIN_BLOCKED_TIME) == []


def test_running_the_hint_ends_the_blocker(
    database_url: str, application: Application, database: Database
) -> None:
    session = connect_application(database_url)
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.execute("SELECT 1")

    ((_, hint),) = blockers(database)
    application.execute(hint.partition("run: ")[2].partition(";")[0].encode())

    with pytest.raises(psycopg.errors.AdminShutdown):
        session.execute("SELECT 1")
    assert blockers(database) == []


def test_a_role_without_monitoring_rights_sees_ages_in_transactions(
    database_url: str, application: Application
) -> None:
    application.execute("CREATE ROLE looker LOGIN")
    looker = Database(database_url.replace("//postgres:@", "//looker:@"), role="test")
    try:
        with a_session(database_url, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1") as pid:
            application.execute("INSERT INTO orders (symbol) VALUES ('BTCUSDT')")
            found = blockers(looker)
    finally:
        looker.close()
        application.execute("DROP ROLE looker")

    # It may not see what the server's own processes are, such as autovacuum.
    ((what, hint),) = [one for one in found if one[0].startswith(f"session {pid} (")]
    assert re.search(r"for [\d,]+ transactions of the server", what)
    assert f"pg_terminate_backend({pid})" in hint


def test_a_forgotten_prepared_transaction_is_named_with_a_hint(
    application: Application, database: Database
) -> None:
    application.execute("BEGIN")
    application.execute("INSERT INTO orders (symbol) VALUES ('BTCUSDT')")
    application.execute("PREPARE TRANSACTION 'it''s left'")

    ((what, hint),) = blockers(database)
    keeps = keeps_what_dies(application)
    application.execute(hint.partition("run: ")[2].encode())

    assert keeps
    assert what.startswith("the prepared transaction 'it''s left' of role postgres holds it back")
    assert blockers(database) == []


def test_a_standby_that_keeps_rows_is_named_and_later_its_slot(
    postgres_url: str, application: Application, database: Database
) -> None:
    with a_slot_that_keeps_rows(postgres_url, application, "standby_1"):
        ((standby, standby_hint),) = blockers(database)
        keeps = keeps_what_dies(application)
    until(application, "SELECT NOT active AS answer FROM pg_replication_slots")

    ((slot, hint),) = blockers(database)
    application.execute(hint.partition("run: ")[2].encode())

    assert keeps
    assert standby.startswith("a query on the standby standby_1 holds it back for ")
    assert "hot_standby_feedback" in standby_hint
    assert slot.startswith("the replication slot 'standby_1', which no standby uses, holds it back")
    assert blockers(database) == []
