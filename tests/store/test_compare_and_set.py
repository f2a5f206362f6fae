"""Decisions on rows as planned are written where the rows are still as planned, and only there."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import make_url

from reconciler.domain.column_scale import DecimalPlaces
from reconciler.domain.decide import Change, Rule
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.report import Answer
from reconciler.domain.status import Status
from reconciler.domain.value import replace
from reconciler.errors import Halted, StatementFailed, StoreRejected, StoreUnavailable
from reconciler.store.compare_and_set import PlannedResult, PlannedWrites
from reconciler.store.database import Database
from reconciler.store.write_result import WriteMismatch

from .builders import (
    IN_ORDERS,
    IS_WAITING_FOR_A_LOCK,
    STOP_AFTER_THE_SNAPSHOT,
    Application,
    Shape,
    a_report,
    a_writer,
    applied,
    facts_of,
    has_side_table,
    in_both,
    in_the_side_table,
    insert_order,
    make_ready,
    now_of,
    read_log,
    read_planned,
    read_row,
    read_sync_time,
    shape_of,
    until,
)
from .pooler import Pooler

FILLED = Facts(status=Status.FILLED, executed_qty=Decimal("1.5"), avg_price=Decimal("60000.25"))
CHANGE = Change(to=FILLED, rule=Rule.ENDED)
HOLD = """
    INSERT INTO reconciliation_holds
        (order_id, reason, detail, attempts, first_held_at, next_attempt_at, row_facts)
    VALUES ('1', 'error', 'meanwhile', 1, now(), now(), '{}')"""
REPLACE = """
    DELETE FROM orders WHERE id = 1;
    INSERT INTO orders (id, symbol, status) VALUES (1, 'BTCUSDT', 'new')"""
HALT = "INSERT INTO reconciliation_state VALUES ('halt', '{\"reason\": \"odd\"}', now(), 'test')"
WHOLE_NUMBERS = DecimalPlaces(0)
PARTITIONED = """
    CREATE TABLE orders (
        id bigint, symbol text, external_order_id text, status text, executed_qty numeric,
        avg_price numeric, created_at timestamptz DEFAULT now(), last_synced_at timestamptz,
        PRIMARY KEY (id, created_at)
    ) PARTITION BY RANGE (created_at);
    CREATE TABLE old_orders PARTITION OF orders FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
    CREATE TABLE new_orders PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)"""
FLOATS = """
    CREATE TABLE orders (
        id bigint PRIMARY KEY, symbol text, external_order_id text, status text,
        executed_qty numeric, avg_price {kind}, last_synced_at timestamptz)"""


def plan(
    database: Database,
    *,
    confirm: Iterable[OrderId] = (),
    change: Iterable[OrderId] = (),
    asked_ago: timedelta = timedelta(0),
) -> PlannedWrites:
    """Read the orders, and decide to confirm some and to change others."""
    orders = read_planned(database)
    asked_at = now_of(database) - asked_ago

    def answer(id_: OrderId) -> Answer:
        return a_report(id_, fetched_at=asked_at)

    return PlannedWrites(
        confirmed=[(orders[id_], answer(id_)) for id_ in confirm],
        changed=[(orders[id_], answer(id_), CHANGE) for id_ in change],
    )


def written(database: Database, planned: PlannedWrites) -> PlannedResult:
    writer = a_writer(database)
    with database.autocommit() as connection:
        return writer.write_planned(connection, planned)


def assert_nothing_written(application: Application) -> None:
    assert application.execute("SELECT FROM activity_log").fetchall() == []
    times = "reconciliation_sync" if has_side_table(application) else "orders"
    rows = application.execute(f"SELECT FROM {times} WHERE last_synced_at IS NOT NULL".encode())
    assert rows.fetchall() == []


@in_both
def test_rows_of_any_shape_are_confirmed_and_changed(
    shape: Shape, owner: Application, empty_database: Database, sync_times: str
) -> None:
    one, two = shape.id_of(1), shape.id_of(2)
    for id_ in (one, two):
        insert_order(owner, id_, last_synced_at=now_of(empty_database) - timedelta(hours=1))
    planned = plan(empty_database, confirm=[one], change=[two])

    result = written(empty_database, planned)

    to = facts_of(read_row(owner, two))
    kept = shape_of(empty_database).price_scale
    assert (result.different, result.skipped) == (frozenset(), frozenset())
    assert facts_of(read_row(owner, one)) == ("new", Decimal(0), None)
    assert to == ("filled", Decimal("1.5"), Decimal(60000 if kept == WHOLE_NUMBERS else "60000.25"))
    asked_at = planned.rows[0][1].fetched_at
    assert [read_row(owner, id_)["last_synced_at"] for id_ in (one, two)] == [
        asked_at,
        asked_at if sync_times == IN_ORDERS else None,
    ]
    assert read_log(owner, one) == []
    assert [entry["details"]["rule"] for entry in read_log(owner, two)] == ["ended"]


@pytest.mark.parametrize("kind", ["double precision", "real"])
def test_an_average_in_a_float_is_written_and_compared(
    kind: str, owner: Application, empty_database: Database
) -> None:
    make_ready(owner, FLOATS.format(kind=kind))
    for id_ in (1, 2):
        insert_order(owner, id_, avg_price=0.1)
    planned = plan(empty_database, confirm=[1], change=[2])
    assert read_planned(empty_database)[1].avg_price == Decimal("0.1")

    result = written(empty_database, planned)

    assert result.different == frozenset()
    assert read_row(owner, 1)["avg_price"] == pytest.approx(0.1)
    assert read_row(owner, 2)["avg_price"] == pytest.approx(60000.25)


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE orders SET note = 'seen' WHERE id = 1",
        "UPDATE orders SET symbol = symbol WHERE id = 1",
        "UPDATE orders SET status = 'filled' WHERE id = 1",
        "UPDATE orders SET external_order_id = '9' WHERE id = 1",
        REPLACE,
        HOLD,
    ],
    ids=["any column", "same values", "status", "exchange id", "replaced", "hold"],
)
def test_a_row_that_is_not_as_planned_is_left(
    meanwhile: str, application: Application, database: Database
) -> None:
    application.execute("ALTER TABLE orders ADD note text")
    for id_ in (1, 2):
        insert_order(application, id_)
    planned = plan(database, change=[1, 2])
    application.execute(meanwhile)
    before = read_row(application, 1)

    result = written(database, planned)

    assert (result.different, result.skipped) == (frozenset({1}), frozenset())
    assert read_row(application, 1) == before
    assert read_row(application, 2)["status"] == "filled"


@in_both
@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE orders SET status = 'filled' WHERE id = 1",
        "UPDATE orders SET executed_qty = 0.5 WHERE id = 1",
        "UPDATE orders SET avg_price = 7 WHERE id = 1",
    ],
    ids=["status", "quantity", "average"],
)
def test_another_servers_version_with_the_same_number_is_left(
    meanwhile: str, application: Application, database: Database
) -> None:
    # A standby that is promoted without the last transactions gives their numbers again.
    for id_ in (1, 2):
        insert_order(application, id_)
    planned = plan(database, change=[1, 2])
    application.execute(meanwhile)
    before = read_row(application, 1)
    same_number = read_planned(database)[1].version
    changed = [
        (replace(order, version=same_number) if order.id == 1 else order, answer, change)
        for order, answer, change in planned.changed
    ]

    result = written(database, PlannedWrites(confirmed=[], changed=changed))

    assert result.different == {1}
    assert read_row(application, 1) == before
    assert [len(read_log(application, id_)) for id_ in (1, 2)] == [0, 1]


@pytest.mark.parametrize(
    ("updated", "asked_ago"),
    [("1 hour", timedelta(0)), ("-1 minute", timedelta(minutes=2)), ("-1 day", timedelta(hours=2))],
    ids=["a future update", "an update after the answer", "an old answer"],
)
def test_an_answer_that_may_be_older_than_the_row_is_not_written(
    updated: str, asked_ago: timedelta, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    application.execute("UPDATE orders SET updated_at = now() + %s::interval", [updated])
    planned = plan(database, confirm=[1], asked_ago=asked_ago)

    result = written(database, planned)

    assert result.different == {1}
    assert_nothing_written(application)


def test_rows_that_are_locked_or_gone_are_skipped(
    application: Application, database: Database
) -> None:
    for id_ in (1, 2, 3, 4):
        insert_order(application, id_)
    planned = plan(database, confirm=[1, 3], change=[2, 4])
    application.execute("DELETE FROM orders WHERE id = 3")

    with application.transaction():
        application.execute("SELECT FROM orders WHERE id = 2 FOR KEY SHARE")
        result = written(database, planned)

    assert (result.different, result.skipped) == (frozenset(), frozenset({2, 3}))
    assert read_row(application, 4)["status"] == "filled"


@in_both
@pytest.mark.parametrize("change", [[], [2]], ids=["confirms", "a change, too"])
def test_nothing_is_written_during_a_halt(
    change: list[OrderId], application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    planned = plan(database, confirm=[1], change=change)
    application.execute(HALT)

    with pytest.raises(Halted, match="odd"):
        written(database, planned)

    assert_nothing_written(application)


def test_a_row_that_is_written_while_the_statement_runs_is_left(
    application: Application, database: Database
) -> None:
    for id_ in (1, 2, 3):
        insert_order(application, id_)
    planned = plan(database, confirm=[1], change=[2, 3])
    application.execute(STOP_AFTER_THE_SNAPSHOT)

    with ThreadPoolExecutor() as executor:
        application.execute("SELECT pg_advisory_lock(1)")
        running = executor.submit(written, database, planned)
        until(application, IS_WAITING_FOR_A_LOCK, "reconciler test")
        application.execute("UPDATE orders SET executed_qty = 0.5, status = 'partial' WHERE id < 3")
        application.execute("SELECT pg_advisory_unlock(1)")
        result = running.result()

    assert result.different == {1, 2}
    rows = [read_row(application, id_) for id_ in (1, 2, 3)]
    assert [row["status"] for row in rows] == ["partial", "partial", "filled"]
    assert [row["last_synced_at"] is None for row in rows] == [True, True, False]


@pytest.mark.parametrize(
    "locked", ["id = 2", "id = 2 OR created_at < '2026-01-01'"], ids=["none", "one"]
)
def test_rows_with_the_same_id_are_left(
    locked: str, owner: Application, empty_database: Database
) -> None:
    make_ready(owner, PARTITIONED)
    insert_order(owner, 3)
    with owner.transaction():  # The version alone does not tell them from each other.
        for created_at in ("2025-06-01", "2026-06-01"):
            insert_order(owner, 1, created_at=created_at)
        insert_order(owner, 2)
    planned = plan(empty_database, change=[1, 2, 3])

    with owner.transaction():
        owner.execute("SELECT FROM orders WHERE " + locked + " FOR UPDATE")
        result = written(empty_database, planned)

    rows = owner.execute("SELECT id FROM orders WHERE status <> 'new'").fetchall()
    assert (result.different, result.skipped) == (frozenset({1}), frozenset({2}))
    assert rows == [{"id": 3}]


def test_rows_of_a_table_that_inherits_are_left_where_their_ids_occur_twice(
    application: Application, database: Database
) -> None:
    application.execute("CREATE TABLE more_orders () INHERITS (orders)")
    with application.transaction():
        insert_order(application, 1)
        application.execute("INSERT INTO more_orders SELECT * FROM orders")

    result = written(database, plan(database, change=[1]))

    assert result.different == {1}
    assert_nothing_written(application)


@in_the_side_table
def test_a_confirm_writes_nothing_in_orders_and_waits_for_no_lock(
    application: Application, database: Database
) -> None:
    for id_ in (1, 2, 3):
        insert_order(application, id_)
    planned = plan(database, confirm=[1, 2], change=[3])
    place = "SELECT ctid::text, xmin::text, xmax::text FROM orders WHERE id = 2"
    before = application.execute(place).fetchone()

    with application.transaction():
        application.execute("UPDATE orders SET status = 'partial' WHERE id = 1")
        result = written(database, planned)

    assert (result.different, result.skipped) == (frozenset(), frozenset())
    assert application.execute(place).fetchone() == before
    times = [read_sync_time(application, id_) for id_ in (1, 2, 3)]
    assert times == [planned.rows[0][1].fetched_at] * 2 + [None]
    assert read_row(application, 1)["status"] == "partial"


@in_the_side_table
def test_the_first_time_of_two_hosts_at_once_is_the_later_one(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    planned = plan(database, confirm=[1])
    earlier = plan(database, confirm=[1], asked_ago=timedelta(minutes=1))

    with ThreadPoolExecutor() as executor, application.transaction():
        application.execute("INSERT INTO reconciliation_sync VALUES (1, now() - interval '1 day')")
        running = executor.submit(written, database, planned)
        until(application, IS_WAITING_FOR_A_LOCK, "reconciler test")
        application.execute("COMMIT; BEGIN")
        running.result()
    written(database, earlier)

    assert read_sync_time(application, 1) == planned.rows[0][1].fetched_at


@in_the_side_table
def test_an_order_that_stays_open_keeps_its_time_and_one_that_ends_loses_it(
    application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_, last_synced_at=now_of(database) - timedelta(hours=1))
    now = now_of(database)
    more = a_report(1, Status.PARTIAL, "0.5", "7", fetched_at=now)

    applied(database, (1, more), (2, a_report(2, fetched_at=now)))

    assert [read_sync_time(application, id_) for id_ in (1, 2)] == [now, None]


DROP_WRITES = """
    CREATE FUNCTION drop_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
    CREATE TRIGGER drop_write BEFORE {event} FOR EACH ROW EXECUTE FUNCTION drop_write()"""


@pytest.mark.parametrize(
    ("event", "body", "counts"),
    [
        ("UPDATE ON orders", "RETURN NULL;", "0 changed, 0 logged, 0 confirmed"),
        (
            "UPDATE ON orders",
            "IF new.id = 2 THEN RETURN NULL; END IF; RETURN new;",
            "2 changed, 2 logged, 0 confirmed",
        ),
        ("INSERT ON activity_log", "RETURN NULL;", "2 changed, 0 logged, 1 confirmed"),
        ("UPDATE ON orders", "RETURN old;", "2 changed, 0 logged, 0 confirmed"),
        (
            "UPDATE ON orders",
            "IF new.id = 1 THEN new.executed_qty := 0; END IF; RETURN new;",
            "2 changed, 1 logged, 1 confirmed",
        ),
        (
            "UPDATE ON orders",
            "IF new.status = old.status THEN RETURN old; END IF; RETURN new;",
            "2 changed, 2 logged, 0 confirmed",
        ),
    ],
    ids=[
        "of all orders",
        "of one order",
        "of the log",
        "puts all back",
        "puts a quantity back",
        "puts a sync time back",
    ],
)
def test_a_trigger_that_drops_a_write_rolls_all_back(
    event: str, body: str, counts: str, application: Application, database: Database
) -> None:
    for id_ in (1, 2, 3):
        insert_order(application, id_)
    planned = plan(database, confirm=[2], change=[1, 3])
    application.execute(DROP_WRITES.format(event=event, body=body))

    with pytest.raises(
        WriteMismatch, match=f"wrote {counts} rows instead of 2 changed, 2 logged, 1 confirmed"
    ):
        written(database, planned)

    assert_nothing_written(application)


@in_the_side_table
@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
def test_a_trigger_that_drops_a_sync_time_rolls_all_back(
    event: str, application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    before = now_of(database) - timedelta(hours=1)
    if event == "UPDATE":
        application.execute("INSERT INTO reconciliation_sync VALUES (1, %s)", [before])
    planned = plan(database, confirm=[1], change=[2])
    application.execute(
        DROP_WRITES.format(event=f"{event} ON reconciliation_sync", body="RETURN NULL;")
    )

    with pytest.raises(WriteMismatch, match="0 synced rows instead of 1 changed, 1 logged, 1 sync"):
        written(database, planned)

    assert read_row(application, 2)["status"] == "new"
    assert read_sync_time(application, 1) == (before if event == "UPDATE" else None)


def test_a_policy_that_hides_a_row_from_updates_rolls_all_back(
    application: Application, database: Database, database_url: str, clerk_role: str
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
    planned = plan(database, change=[1, 2])
    application.execute("""
        GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk;
        ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
        CREATE POLICY reading ON orders FOR SELECT USING (true);
        CREATE POLICY writing ON orders FOR UPDATE USING (true) WITH CHECK (id <> 2)""")
    clerk = Database(f"{database_url}&options=-crole%3D{clerk_role}", role="test")

    with pytest.raises(StoreRejected, match="row-level security"):
        written(clerk, planned)
    clerk.close()

    assert_nothing_written(application)


def test_a_value_that_the_table_refuses_is_no_mismatch(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    application.execute("ALTER TABLE orders ADD COLUMN rank int")
    application.execute(
        DROP_WRITES.format(event="UPDATE ON orders", body="new.rank := new.status; RETURN new;")
    )
    planned = plan(database, change=[1])

    with pytest.raises(StoreRejected, match="filled") as raised:
        written(database, planned)

    assert not isinstance(raised.value, WriteMismatch)
    assert_nothing_written(application)


def test_a_database_whose_transactions_keep_their_snapshot_loses_no_write(
    application: Application, database: Database, database_url: str
) -> None:
    insert_order(application, 1)
    planned = plan(database, change=[1])
    application.execute(STOP_AFTER_THE_SNAPSHOT)
    level = "-c%20default_transaction_isolation%3Dserializable"
    strict = Database(f"{database_url}&options={level}", role="test")

    with ThreadPoolExecutor() as executor:
        application.execute("SELECT pg_advisory_lock(1)")
        running = executor.submit(written, strict, planned)
        until(application, IS_WAITING_FOR_A_LOCK, "reconciler test")
        application.execute("UPDATE orders SET executed_qty = 0.5, status = 'partial'")
        application.execute("SELECT pg_advisory_unlock(1)")
        with pytest.raises(StatementFailed, match="could not serialize"):
            running.result()
    strict.close()

    assert read_row(application, 1)["status"] == "partial"
    assert read_log(application, 1) == []


def test_a_transaction_pooler_and_prepared_statements_make_no_difference(
    application: Application, database: Database, database_url: str
) -> None:
    """A statement is prepared at its third run, and planned without its values at its ninth."""
    ids = range(1, 25)
    for id_ in ids:
        insert_order(application, id_)
    address = make_url(database_url)
    server = Path(str(address.query["host"])) / ".s.PGSQL.5432"
    with Pooler(server) as pooler:
        url = address.set(host="127.0.0.1", port=pooler.port, query={})
        pooled = Database(url.render_as_string(hide_password=False), role="test")
        writers = {database: a_writer(database), pooled: a_writer(pooled)}
        for number, id_ in enumerate(ids):
            used = (database, pooled)[number % 2]
            planned = plan(database, change=[id_])
            with used.autocommit() as connection:
                result = writers[used].write_planned(connection, planned)
            assert (result.different, result.skipped) == (frozenset(), frozenset())
        pooled.close()

    assert {read_row(application, id_)["status"] for id_ in ids} == {"filled"}


def test_a_session_that_ends_during_the_statement_has_written_nothing(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    planned = plan(database, change=[1])
    application.execute(
        DROP_WRITES.format(
            event="INSERT ON activity_log",
            body="PERFORM pg_terminate_backend(pg_backend_pid()); RETURN new;",
        )
    )

    with pytest.raises(StoreUnavailable):
        written(database, planned)

    assert_nothing_written(application)
