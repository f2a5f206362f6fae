"""PostgreSQL's errors are translated into ours, and no session state is relied on."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, text

from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.errors import (
    ConfigurationError,
    ReconcilerError,
    StatementFailed,
    StoreRefused,
    StoreRejected,
    StoreUnavailable,
)
from reconciler.store import sample_orders
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter

from .builders import (
    Application,
    a_fault,
    a_report,
    a_writer,
    applied,
    connect_application,
    insert_order,
    make_ready,
    now_of,
    read_hold,
    read_row,
)
from .pooler import Pooler

PASSWORD = "hunter2-with-teeth"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url, role="test")
    try:
        yield database
    finally:
        database.close()


def test_a_refused_connection_is_unavailable_and_hides_the_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with (
            opened(f"postgresql://app:{PASSWORD}@{address}/orders") as database,
            pytest.raises(StoreUnavailable, match=address) as error,
            database.autocommit(),
        ):
            pass

    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize(
    ("find", "replace"),
    [("/postgres?", "/nowhere?"), ("//postgres:", "//nobody:")],
    ids=["no such database", "no such role"],
)
def test_a_wrong_role_or_database_is_a_configuration_error(
    find: str, replace: str, postgres_url: str
) -> None:
    assert find in postgres_url

    with (
        opened(postgres_url.replace(find, replace)) as database,
        pytest.raises(ConfigurationError, match="DATABASE_URL"),
        database.autocommit(),
    ):
        pass


def run(database: Database, statements: str) -> None:
    """Run statements, each but the last followed by `; `, in one transaction."""
    with database.transaction() as connection:
        for statement in statements.split("; "):
            connection.execute(text(statement))


def a_raise(state: str) -> str:
    """Return a statement that fails like a trigger that raises an error with this SQLSTATE."""
    return f"DO 'BEGIN RAISE ''no'' USING ERRCODE = ''{state}''; END'".replace("; ", ";")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1 / 0", StoreRejected),
        ("INSERT INTO orders (symbol, status) VALUES ('A', 'sold')", StoreRejected),
        ("INSERT INTO orders (symbol, qty) VALUES ('A', 1e30)", StoreRejected),
        (a_raise("P0001"), StoreRejected),
        (a_raise("44000"), StoreRejected),
        (a_raise("ACME1"), StoreRejected),
        ("SELECT nothing FROM orders", ConfigurationError),
        ("SELECT 1 FROM reconciliation_leases", StoreRefused),
        ("SET LOCAL ROLE pg_monitor; SELECT 1 FROM orders", StoreRefused),
        (a_raise("42501"), StoreRejected),
        ("SET TRANSACTION READ ONLY; UPDATE orders SET qty = 1", StoreUnavailable),
        ("SELECT pg_terminate_backend(pg_backend_pid())", StoreUnavailable),
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)", StatementFailed),
        (a_raise("40001"), StatementFailed),
        (a_raise("40P01"), StatementFailed),
        (a_raise("53100"), StatementFailed),
        (a_raise("53200"), StatementFailed),
        (a_raise("55P03"), StatementFailed),
        (a_raise("08001"), StatementFailed),
        (a_raise("54001"), StatementFailed),
        (a_raise("58030"), StatementFailed),
        (a_raise("25P04"), StoreRejected),
        (a_raise("25006"), StoreRejected),
        ("SELECT pg_read_file('nowhere')", StoreUnavailable),
    ],
)
def test_an_error_of_the_server_is_translated(
    statement: str, expected: type[ReconcilerError], database: Database
) -> None:
    with pytest.raises(expected) as error:
        run(database, statement)

    assert type(error.value) is expected

    with database.autocommit() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_an_error_that_only_a_bug_causes_is_not_translated(database: Database) -> None:
    with (
        pytest.raises(Exception, match="syntax error") as error,
        database.autocommit() as connection,
    ):
        connection.execute(text("SELEC 1"))

    assert not isinstance(error.value, ReconcilerError)


def test_a_server_that_is_read_only_puts_no_order_on_hold(
    application: Application, database_url: str
) -> None:
    insert_order(application, 1)
    standby = f"{database_url}&options=-cdefault_transaction_read_only%3Don"

    with opened(standby) as database, pytest.raises(StoreUnavailable, match="read-only"):
        applied(database, (1, a_report(1, fetched_at=now_of(database))))


def test_the_databases_default_isolation_level_does_not_matter(
    database_url: str,
) -> None:
    url = f"{database_url}&options=-cdefault_transaction_isolation%3Dserializable"

    with opened(url) as database, database.transaction() as connection:
        level = connection.execute(text("SHOW transaction_isolation")).scalar_one()

    assert level == "read committed"


def prepared_statements(database: Database) -> int:
    with database.autocommit() as connection:
        names = connection.execute(text("SELECT name FROM pg_prepared_statements")).all()
    return len(names)


def apply_often(application: Application, database: Database) -> OrderWriter:
    """Reconcile ten orders one after the other with one writer, as a worker does; return it."""
    writer = a_writer(database)
    for id_ in range(1, 11):
        insert_order(application, id_)
        report = a_report(id_, fetched_at=now_of(database))
        with database.transaction() as connection:
            writer.apply(connection, {id_: report})
    rows = application.execute("SELECT status FROM orders").fetchall()
    assert rows == [{"status": "filled"}] * 10
    return writer


def test_a_statement_that_runs_for_every_batch_is_prepared(
    application: Application, database: Database
) -> None:
    apply_often(application, database)

    assert prepared_statements(database) == 2


def test_no_other_statement_is_prepared(database: Database) -> None:
    for _ in range(10):
        with database.transaction() as connection:
            connection.execute(text("SELECT count(*) FROM orders WHERE id > :id"), {"id": 1})

    assert prepared_statements(database) == 0


def test_nothing_is_prepared_behind_a_transaction_pooler(
    application: Application, database_url: str
) -> None:
    address = make_url(database_url)
    server = Path(str(address.query["host"])) / ".s.PGSQL.5432"
    with Pooler(server) as pooler:
        pooled = address.set(host="127.0.0.1", port=pooler.port, query={})
        with opened(pooled.render_as_string(hide_password=False)) as database:
            apply_often(application, database)

            assert [prepared_statements(database) for _ in range(2)] == [0, 0]


def test_a_statement_whose_column_types_changed_is_prepared_again(
    application: Application, database: Database
) -> None:
    writer = apply_often(application, database)
    application.execute("ALTER TABLE orders ALTER executed_qty TYPE numeric(30, 9)")

    assert_prepared_again(application, database, writer)


def test_a_statement_that_the_session_has_lost_is_prepared_again(
    application: Application, database: Database
) -> None:
    writer = apply_often(application, database)
    with database.autocommit() as connection:
        connection.execute(text("DO 'BEGIN EXECUTE ''DEALLOCATE ALL''; END'"))

    assert_prepared_again(application, database, writer)


def assert_prepared_again(
    application: Application, database: Database, writer: OrderWriter
) -> None:
    insert_order(application, 11)
    answers: dict[OrderId, Answer] = {11: a_report(11, fetched_at=now_of(database))}

    with pytest.raises(StoreUnavailable), database.transaction() as connection:
        writer.apply(connection, answers)
    with database.transaction() as connection:
        writer.apply(connection, answers)

    assert read_row(application, 11)["status"] == "filled"


def test_a_transaction_that_raises_is_rolled_back(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)

    with pytest.raises(StoreRejected):
        run(database, "UPDATE orders SET status = 'filled'; SELECT 1 / 0")

    assert read_row(application, 1)["status"] == "new"


def test_an_interrupt_while_a_statement_runs_stays_an_interrupt(database: Database) -> None:
    def interrupt_a_statement() -> None:
        with database.transaction() as connection:
            driver_connection = connection.connection.driver_connection
            assert driver_connection is not None
            driver_connection.pgconn.send_query(b"SELECT pg_sleep(0.1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt_a_statement()


def test_words_that_the_encoding_lacks_are_refused_with_a_reason(
    postgres_url: str,
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    url = postgres_url.replace("/postgres?", "/latin?")
    with opened(url) as database, connect_application(url) as application:
        make_ready(application, sample_orders.ORDERS_DDL)
        insert_order(application, 1)
        now = now_of(database)

        with pytest.raises(StoreRejected) as error:
            applied(database, (1, a_report(1, word="已成交", fetched_at=now)))
        detail = f"Größe: {error.value}"
        applied(database, (1, a_fault(1, detail=detail, fetched_at=now)))

        hold = read_hold(application, 1)
        assert hold is not None
        assert hold["detail"] == detail
        assert read_row(application, 1)["status"] == "new"


def set_read_only(application: Application, *, on: bool) -> None:
    name = sql.Identifier(application.info.dbname)
    value = "on" if on else "off"
    application.execute(
        sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
            name, sql.SQL(value)
        )
    )


@pytest.mark.parametrize("must_write", [False, True], ids=["a reader", "a writer"])
def test_a_session_that_turned_out_read_only_is_closed(
    must_write: bool,  # noqa: FBT001 - a case, not a switch
    application: Application,
    database_url: str,
) -> None:
    insert_order(application, 1)
    database = Database(database_url, role="test", must_write=must_write)
    writer = a_writer(database)
    report = a_report(1, fetched_at=now_of(database))
    database.close()

    def write() -> None:
        with database.transaction() as connection:
            writer.apply(connection, {1: report})

    set_read_only(application, on=True)
    try:
        with pytest.raises(StoreUnavailable, match="read-only"):
            write()
    finally:
        application.execute("SET default_transaction_read_only = off")
        set_read_only(application, on=False)
    write()
    database.close()

    assert read_row(application, 1)["status"] == "filled"


@pytest.mark.parametrize("way", ["transaction", "autocommit", "connection"])
def test_a_database_that_is_only_read_refuses_every_write(
    way: str, application: Application, database_url: str
) -> None:
    insert_order(application, 1)
    database = Database(database_url, role="test", only_reads=True)

    with pytest.raises(StoreUnavailable, match="read-only"), getattr(database, way)() as connection:
        connection.execute(text("UPDATE orders SET status = 'filled'"))
    database.require_writable()
    database.close()

    assert read_row(application, 1)["status"] == "new"
