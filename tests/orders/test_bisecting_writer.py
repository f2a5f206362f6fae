"""A row whose write fails repeatedly is found and put on hold; the other rows are written."""

import psycopg
import pytest

from reconciler.store.database import Database
from reconciler.workload import Chunk, FaultKind

from .builders import FakeExchange, a_handler, handle, new_orders

A_TRIGGER = """
    CREATE FUNCTION obstruct() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {body} RETURN new; END $$;
    CREATE TRIGGER obstruct BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION obstruct();
"""
A_DEFERRED_TRIGGER = """
    CREATE FUNCTION obstruct() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {body} RETURN new; END $$;
    CREATE CONSTRAINT TRIGGER obstruct AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION obstruct();
"""
FAILURES = {
    "a query that was canceled": "RAISE 'too slow' USING ERRCODE = '57014';",
    "a lock time-out": "RAISE 'locked' USING ERRCODE = '55P03';",
    "a deadlock": "RAISE 'deadlock' USING ERRCODE = '40P01';",
    "a serialization failure": "RAISE 'again' USING ERRCODE = '40001';",
    "a foreign server that is away": "RAISE 'no route' USING ERRCODE = '08001';",
    "a full disk at the trigger's own server": "RAISE 'no space' USING ERRCODE = '53100';",
    "a read-only server of the trigger's own": "RAISE 'read-only' USING ERRCODE = '25006';",
    "an endless recursion": "RAISE 'stack depth' USING ERRCODE = '54001';",
}


def make_trigger(url: str, body: str, *, failing_rows: str, ddl: str = A_TRIGGER) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(ddl.format(body=f"IF {failing_rows} THEN {body} END IF;").encode())


def read_statuses(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT external_order_id, status FROM orders").fetchall()
    return dict(rows)


def read_held(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT orders.external_order_id, detail FROM orders JOIN reconciliation_holds"
            " ON order_id = orders.id::text WHERE resolved_at IS NULL AND reason = 'error'"
        ).fetchall()
    return dict(rows)


@pytest.mark.parametrize("ddl", [A_TRIGGER, A_DEFERRED_TRIGGER], ids=["at once", "at the commit"])
@pytest.mark.parametrize("body", FAILURES.values(), ids=FAILURES)
async def test_one_row_whose_write_fails_does_not_starve_the_others(
    body: str, ddl: str, database: Database, database_url: str
) -> None:
    orders = new_orders(database_url, 40)
    make_trigger(database_url, body, failing_rows="new.external_order_id = '7'", ddl=ddl)

    result = await handle(a_handler(database, FakeExchange(), rows=40), orders)

    assert (result.counts.reconciled, result.counts.held, result.fault) == (39, 1, None)
    statuses = read_statuses(database_url)
    assert {external for external, status in statuses.items() if status == "new"} == {"7"}
    assert list(read_held(database_url)) == ["7"]


async def test_row_whose_trigger_times_out_is_found(database_url: str) -> None:
    orders = new_orders(database_url, 8)
    make_trigger(database_url, "PERFORM pg_sleep(60);", failing_rows="new.external_order_id = '7'")
    database = Database(f"{database_url}&options=-cstatement_timeout%3D1500", role="test")

    result = await handle(a_handler(database, FakeExchange(), rows=8), orders)
    database.close()

    assert (result.counts.reconciled, result.counts.held, result.fault) == (7, 1, None)
    assert "statement timeout" in read_held(database_url)["7"]


async def test_several_rows_whose_writes_fail_are_all_found(
    database: Database, database_url: str
) -> None:
    orders = new_orders(database_url, 60)
    failing_rows = "new.external_order_id::int <= 9"
    make_trigger(database_url, FAILURES["a deadlock"], failing_rows=failing_rows)

    result = await handle(a_handler(database, FakeExchange(), rows=60), orders)

    assert (result.counts.reconciled, result.counts.held, result.fault) == (51, 9, None)
    assert set(read_held(database_url)) == {str(number) for number in range(1, 10)}


async def test_write_failure_that_passes_holds_no_row(
    database: Database, database_url: str
) -> None:
    orders = new_orders(database_url, 20)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SEQUENCE failures")
    passing = "nextval('failures') <= 2"
    make_trigger(database_url, FAILURES["a deadlock"], failing_rows=passing)

    result = await handle(a_handler(database, FakeExchange(), rows=20), orders)

    assert (result.counts.reconciled, result.counts.held, result.fault) == (20, 0, None)


async def test_lock_on_the_whole_table_holds_no_row(database_url: str) -> None:
    orders = new_orders(database_url, 4)
    database = Database(f"{database_url}&options=-clock_timeout%3D100", role="test")
    handler = a_handler(database, FakeExchange())
    with psycopg.connect(database_url) as application:
        application.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")

        result = await handle(handler, orders)
    database.close()

    assert result.fault is not None
    assert result.fault.kind is FaultKind.STORE
    assert result.unfinished == (orders,)
    assert read_held(database_url) == {}


async def test_table_that_takes_no_writes_holds_no_row_at_first(
    database: Database, database_url: str
) -> None:
    orders = new_orders(database_url, 40)
    make_trigger(database_url, FAILURES["a lock time-out"], failing_rows="true")
    handler = a_handler(database, FakeExchange(), rows=40)

    results = [await handle(handler, orders) for _ in range(3)]

    assert [result.fault is not None for result in results] == [True, True, False]
    assert [result.counts.held for result in results] == [0, 0, 40]


async def test_rows_written_before_the_database_went_away_are_counted(
    database: Database, database_url: str
) -> None:
    orders = new_orders(database_url, 8)
    ends = "PERFORM pg_terminate_backend(pg_backend_pid());"
    make_trigger(database_url, ends, failing_rows="new.external_order_id::int % 2 = 0")

    result = await handle(a_handler(database, FakeExchange(), rows=4), orders)

    assert result.fault is not None
    assert result.counts.reconciled == 4
    assert [len(chunk.items) for chunk in result.unfinished] == [4]


async def test_row_on_hold_is_written_in_its_own_transaction(
    database: Database, database_url: str
) -> None:
    orders = new_orders(database_url, 20, on_hold={"7"})
    make_trigger(database_url, FAILURES["a deadlock"], failing_rows="new.external_order_id = '7'")

    result = await handle(a_handler(database, FakeExchange(), rows=20), orders)

    assert (result.counts.reconciled, result.counts.held) == (19, 1)
    with psycopg.connect(database_url) as connection:
        (transactions,) = connection.execute(
            "SELECT count(DISTINCT xmin::text) FROM orders WHERE status = 'filled'"
        ).fetchone() or (0,)
    assert transactions == 1


async def test_refused_row_goes_on_hold_and_the_others_are_written(
    database: Database, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "ALTER TABLE orders ADD CHECK (external_order_id <> '2' OR status = 'new')"
        )

    result = await handle(a_handler(database, FakeExchange()), orders)

    assert (result.counts.reconciled, result.counts.held, result.fault) == (3, 1, None)


async def test_row_refused_by_row_level_security_goes_on_hold_alone(
    restricted_url: str, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
        connection.execute(
            "CREATE POLICY clerks ON orders USING (true)"
            " WITH CHECK (external_order_id <> '2' OR status <> 'filled')"
        )
    database = Database(restricted_url, role="test")

    result = await handle(a_handler(database, FakeExchange()), orders)
    database.close()

    assert (result.counts.reconciled, result.counts.held, result.fault) == (3, 1, None)


async def test_row_refused_by_a_trigger_goes_on_hold_alone(
    database: Database, database_url: str, orders: Chunk
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF new.external_order_id = '2' THEN"
            " RAISE 'not yours' USING ERRCODE = 'insufficient_privilege'; END IF;"
            " RETURN new; END $$;"
            " CREATE TRIGGER forbid BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION forbid()"
        )

    result = await handle(a_handler(database, FakeExchange()), orders)

    assert (result.counts.reconciled, result.counts.held, result.fault) == (3, 1, None)
