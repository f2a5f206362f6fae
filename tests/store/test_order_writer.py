"""Rows are written as decided, with one log entry for each change."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.domain.decide import Change, Confirm, Hold, HoldReason, Leave, Rule
from reconciler.domain.order import Facts, OrderId, Side
from reconciler.domain.report import Answer, Archived, Report
from reconciler.domain.status import Status
from reconciler.domain.value import replace
from reconciler.store.activity import ACTION, Activity, read_history
from reconciler.store.database import Database
from reconciler.store.orders_table import read_orders_table
from reconciler.store.stale import StaleOrders
from reconciler.store.write_result import OrderOutcome

from .builders import (
    EXCHANGE,
    IN_ORDERS,
    SHAPES,
    SYMBOL,
    Application,
    Shape,
    a_fault,
    a_report,
    a_writer,
    an_absence,
    applied,
    facts_of,
    in_both,
    insert_order,
    make_ready,
    now_of,
    read_hold,
    read_log,
    read_row,
    shape_of,
)

A_MINUTE = timedelta(minutes=1)


def an_hour_before(moment: datetime) -> datetime:
    return moment - timedelta(hours=1)


@in_both
def test_a_change_is_written_and_logged_once_in_every_shape(
    shape: Shape, owner: Application, empty_database: Database, sync_times: str
) -> None:
    id_ = shape.id_of(1)
    now = now_of(empty_database)
    touch = {"updated_at": an_hour_before(now)} if "updated_at" in shape.optional else {}
    insert_order(owner, id_, last_synced_at=an_hour_before(now), **touch)

    result = applied(empty_database, (id_, a_report(id_, average="60000", fetched_at=now)))

    (outcome,) = result.outcomes
    row = read_row(owner, id_)
    assert isinstance(outcome.decision, Change)
    assert facts_of(row) == ("filled", Decimal("1.5"), Decimal(60000))
    assert row["last_synced_at"] == (now if sync_times == IN_ORDERS else None)
    assert all(row[name] > now for name in touch)
    assert [entry["action"] for entry in read_log(owner, id_)] == [ACTION]


def test_a_batch_of_200_takes_four_round_trips(
    application: Application, database: Database, tmp_path: Path
) -> None:
    for id_ in range(1, 201):
        insert_order(application, id_)
    now = now_of(database)
    writer = a_writer(database)
    answers: dict[OrderId, Answer] = {id_: a_report(id_, fetched_at=now) for id_ in range(1, 201)}

    with round_trips(database, tmp_path) as trips, database.transaction() as connection:
        result = writer.apply(connection, answers)

    assert len(result.outcomes) == 200
    assert len(trips) == 4


def test_a_batch_of_prepared_statements_takes_four_round_trips(
    application: Application, database: Database, tmp_path: Path
) -> None:
    writer = a_writer(database)
    for id_ in range(1, 11):
        insert_order(application, id_)
        answers: dict[OrderId, Answer] = {id_: a_report(id_, fetched_at=now_of(database))}
        with round_trips(database, tmp_path) as trips, database.transaction() as connection:
            writer.apply(connection, answers)

    assert len(trips) == 4


@contextmanager
def round_trips(database: Database, folder: Path) -> Iterator[list[str]]:
    """Trace the connection; at the end, fill in one line for each round trip."""
    with database.connection() as connection:
        libpq = connection.connection.driver_connection.pgconn  # type: ignore[union-attr] # psycopg's
    trips: list[str] = []
    with (folder / "protocol").open("w+") as trace:
        libpq.trace(trace.fileno())
        try:
            yield trips
        finally:
            libpq.untrace()
        trace.seek(0)
        trips += [line for line in trace if "ReadyForQuery" in line]


@in_both
def test_a_confirmation_moves_only_the_sync_time_in_every_shape(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    id_ = shape.id_of(1)
    now = now_of(empty_database)
    touch = {"updated_at": an_hour_before(now)} if "updated_at" in shape.optional else {}
    insert_order(owner, id_, last_synced_at=an_hour_before(now), **touch)
    before = read_row(owner, id_)

    (outcome,) = applied(
        empty_database, (id_, a_report(id_, Status.NEW, "0", None, fetched_at=now))
    ).outcomes

    after = read_row(owner, id_)
    assert outcome.decision == Confirm()
    assert after["last_synced_at"] == now
    assert {**after, "last_synced_at": before["last_synced_at"]} == before
    assert read_log(owner, id_) == []


def test_a_hold_leaves_the_row_and_is_written_in_every_shape(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    id_ = shape.id_of(1)
    insert_order(owner, id_)
    before = read_row(owner, id_)

    (outcome,) = applied(
        empty_database, (id_, a_fault(id_, fetched_at=now_of(empty_database)))
    ).outcomes

    hold = read_hold(owner, id_)
    assert outcome.decision == Hold(reason=HoldReason.ERROR, detail="no such symbol")
    assert hold is not None
    assert (hold["reason"], hold["detail"], hold["attempts"]) == ("error", "no such symbol", 1)
    assert read_row(owner, id_) == before
    assert read_log(owner, id_) == []


def test_an_order_that_is_left_is_not_written_at_all(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    insert_order(application, 1, updated_at=now)
    before = read_row(application, 1)

    (outcome,) = applied(database, (1, a_report(1, fetched_at=now - timedelta(seconds=1)))).outcomes

    assert outcome.decision == Leave(rule=Rule.STALE_REPORT)
    assert read_row(application, 1) == before
    assert read_hold(application, 1) is None


def test_a_batch_of_every_kind_takes_no_more_round_trips(
    application: Application, database: Database, tmp_path: Path
) -> None:
    now = now_of(database)
    earlier = an_hour_before(now)
    for id_ in range(1, 6):
        insert_order(application, id_, created_at=earlier, updated_at=earlier)
    writer = a_writer(database)
    answers: dict[OrderId, Answer] = {
        1: a_report(1, fetched_at=now),
        2: a_report(2, Status.NEW, "0", None, fetched_at=now),
        3: an_absence(3, fetched_at=now),
        4: a_report(4, fetched_at=now - timedelta(days=1)),
        6: a_report(6, fetched_at=now),
    }

    with round_trips(database, tmp_path) as trips, database.transaction() as connection:
        result = writer.apply(connection, answers)

    kinds = {outcome.order.id: type(outcome.decision) for outcome in result.outcomes}
    assert kinds == {1: Change, 2: Confirm, 3: Hold, 4: Leave}
    assert result.skipped == (6,)
    assert len(trips) == 4
    rows = application.execute("SELECT id, status FROM orders ORDER BY id").fetchall()
    assert [row["status"] for row in rows] == ["filled", "new", "new", "new", "new"]


def test_a_batch_without_decisions_writes_nothing(
    application: Application, database: Database
) -> None:
    assert applied(database, (1, a_report(1, fetched_at=now_of(database)))).skipped == (1,)
    assert read_log(application, 1) == []


@pytest.mark.parametrize(
    ("executed", "average"),
    [
        ("0.000000000000000001", "99999999999999999.123456789012345678"),
        ("123456789012345678.987654321098765432", "0.000000000000000000000000000000000001"),
        ("1.10", "2.50"),
    ],
    ids=["tiny", "36 digits", "trailing zeros"],
)
def test_every_digit_reaches_the_row_and_the_log(
    executed: str, average: str, owner: Application, empty_database: Database
) -> None:
    make_ready(owner, SHAPES["nothing optional"].ddl)
    insert_order(owner, 1)

    report = a_report(1, executed=executed, average=average, fetched_at=now_of(empty_database))
    applied(empty_database, (1, report))

    row, (entry,) = read_row(owner, 1), read_log(owner, 1)
    assert [f"{row[name]:f}" for name in ("executed_qty", "avg_price")] == [executed, average]
    assert entry["details"]["to"] == {
        "status": "filled",
        "executed_qty": executed,
        "avg_price": average,
    }


def test_an_entry_has_before_after_and_the_rule(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    insert_order(
        application,
        1,
        status="partial",
        executed_qty="0.5",
        avg_price="60000",
        updated_at=an_hour_before(now),
    )

    applied(database, (1, a_report(1, Status.CANCELED, "0.7", "59999.5", fetched_at=now)))

    with database.autocommit() as connection:
        (entry,) = read_history(connection, "1")
    assert entry.details == {
        "from": {"status": "partial", "executed_qty": "0.50000000", "avg_price": "60000.00000000"},
        "to": {"status": "canceled", "executed_qty": "0.70000000", "avg_price": "59999.50000000"},
        "exchange": EXCHANGE,
        "rule": "ended",
        "fetched_at": now.isoformat().replace("+00:00", "Z"),
        "report": {
            "symbol": SYMBOL,
            "external_order_id": "1",
            "word": "CANCELED",
            "status": "canceled",
            "executed_qty": "0.7",
            "avg_price": "59999.5",
        },
    }
    assert (entry.order_id, entry.action) == ("1", "reconciliation.update")
    assert entry.created_at > now


def test_an_entry_keeps_any_text_of_the_exchange(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    words = {1: 'A"B', 2: "{},\\", 3: "\x1e\n\t", 4: "已成交", 5: "%s %(a)s $1"}
    for id_ in words:
        insert_order(application, id_, updated_at=an_hour_before(now))

    applied(database, *((id_, a_report(id_, word=words[id_], fetched_at=now)) for id_ in words))

    logged = {id_: read_log(application, id_)[0]["details"]["report"]["word"] for id_ in words}
    assert logged == words


def test_the_history_begins_with_the_oldest_entry(
    application: Application, database: Database
) -> None:
    insert_order(application, 1, updated_at=an_hour_before(now_of(database)))
    for status, executed in ((Status.PARTIAL, "1"), (Status.PARTIAL, "2"), (Status.FILLED, "3")):
        applied(database, (1, a_report(1, status, executed, fetched_at=now_of(database))))

    with database.autocommit() as connection:
        history: list[Activity] = list(read_history(connection, "1"))

    assert [entry.details["to"]["executed_qty"][0] for entry in history] == ["1", "2", "3"]


def test_two_rows_of_one_exchange_order_are_both_reconciled(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    for id_ in (1, 2):
        insert_order(application, id_, external_order_id="77", updated_at=an_hour_before(now))

    applied(database, *((id_, a_report(77, fetched_at=now)) for id_ in (1, 2)))

    assert [read_row(application, id_)["status"] for id_ in (1, 2)] == ["filled", "filled"]


def test_a_preview_decides_the_same_and_writes_nothing(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    for id_ in (1, 2):
        insert_order(application, id_, updated_at=an_hour_before(now))
    before = [read_row(application, id_) for id_ in (1, 2)]
    answers: dict[OrderId, Answer] = {
        1: a_report(1, fetched_at=now),
        2: an_absence(2, fetched_at=now),
    }

    writer = a_writer(database)
    with database.transaction() as connection:
        previewed = writer.preview(connection, answers)
    assert [read_row(application, id_) for id_ in (1, 2)] == before
    assert read_hold(application, 2) is None

    done = applied(database, *answers.items())
    assert [outcome.decision for outcome in previewed.outcomes] == [
        outcome.decision for outcome in done.outcomes
    ]


def test_a_row_without_a_quantity_counts_as_nothing_executed(
    application: Application, database: Database
) -> None:
    application.execute("ALTER TABLE orders ALTER executed_qty DROP NOT NULL")
    insert_order(application, 1, executed_qty=None)

    (outcome,) = applied(
        database, (1, a_report(1, Status.NEW, "0", None, fetched_at=now_of(database)))
    ).outcomes

    assert outcome.decision == Confirm()


def test_a_status_of_the_applications_own_is_left_alone(
    owner: Application, empty_database: Database
) -> None:
    make_ready(owner, SHAPES["integer id, enum status"].ddl)
    insert_order(owner, 1, status="draft")

    (outcome,) = applied(
        empty_database, (1, a_report(1, fetched_at=now_of(empty_database)))
    ).outcomes

    assert outcome.decision == Leave(rule=Rule.NOT_OURS)
    assert read_row(owner, 1)["status"] == "draft"


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "12026-01-01", "0044-03-15 BC"])
def test_a_time_that_no_datetime_can_hold_counts_as_none(
    moment: str, application: Application, database: Database
) -> None:
    insert_order(application, 1, created_at=moment, updated_at=moment)

    (outcome,) = applied(database, (1, a_report(1, fetched_at=now_of(database)))).outcomes

    assert (outcome.order.created_at, outcome.order.updated_at) == (None, None)
    assert application.execute("SELECT status FROM orders").fetchone() == {"status": "filled"}


def test_a_row_written_after_the_request_is_left_alone(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    answer = a_report(1, executed="5", fetched_at=now_of(database))
    application.execute("UPDATE orders SET executed_qty = 1, updated_at = clock_timestamp()")

    (outcome,) = applied(database, (1, answer)).outcomes

    assert outcome.decision == Leave(rule=Rule.STALE_REPORT)
    assert read_row(application, 1)["executed_qty"] == 1


def test_a_row_without_updated_at_is_left_if_its_facts_changed(
    owner: Application, empty_database: Database
) -> None:
    make_ready(owner, SHAPES["nothing optional"].ddl)
    for id_ in (1, 2):
        insert_order(owner, id_)
    writer = a_writer(empty_database)
    stale = StaleOrders(shape_of(empty_database), stale_after=timedelta(minutes=5))
    with empty_database.transaction() as connection:
        seen = {order.id: order.facts for order in stale.read_page(connection, 100).orders}
    now = now_of(empty_database)
    owner.execute("UPDATE orders SET executed_qty = 1 WHERE id = 1")

    with empty_database.transaction() as connection:
        answers: dict[OrderId, Answer] = {
            id_: a_report(id_, executed="5", fetched_at=now) for id_ in (1, 2)
        }
        result = writer.apply(connection, answers, seen)

    decisions = {outcome.order.id: outcome.decision for outcome in result.outcomes}
    assert seen[1] == Facts(status=Status.NEW, executed_qty=Decimal(0), avg_price=None)
    assert set(seen) == {1, 2}
    assert decisions[1] == Leave(rule=Rule.STALE_REPORT)
    assert isinstance(decisions[2], Change)


def test_the_result_carries_the_databases_clock(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    before = now_of(database)

    result = applied(database, (1, an_absence(1, fetched_at=before)))

    assert result.now is not None
    assert before < result.now < now_of(database)


def test_an_outcome_has_the_hold_that_the_order_was_under(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    answer: Report | Answer = a_fault(1, fetched_at=now_of(database))

    outcomes: list[OrderOutcome] = [
        outcome for _ in range(2) for outcome in applied(database, (1, answer)).outcomes
    ]

    first, second = outcomes
    assert first.hold is None
    assert second.hold is not None
    assert (second.hold.reason, second.hold.attempts) == (HoldReason.ERROR, 1)
    assert set(second.__struct_fields__) == {"order", "hold", "decision"}


@pytest.mark.parametrize(
    ("row", "exchange", "shown"),
    [
        ({"qty": Decimal("0.5")}, {"executed_qty": Decimal(4), "quantity": Decimal(4)}, "0.5"),
        ({"client_order_id": "mine-1"}, {"client_order_id": "theirs"}, "mine-1"),
        ({"side": "SELL"}, {"side": Side.BUY}, "sell"),
    ],
    ids=["quantity", "client id", "side"],
)
def test_a_report_of_another_order_is_held_with_both_sides(
    row: dict[str, object],
    exchange: dict[str, object],
    shown: str,
    application: Application,
    database: Database,
) -> None:
    application.execute("ALTER TABLE orders ALTER COLUMN qty TYPE numeric")
    insert_order(application, 1, **row)
    before = read_row(application, 1)
    report = replace(a_report(1, fetched_at=now_of(database)), **exchange)

    applied(database, (1, report))

    hold = read_hold(application, 1)
    assert hold is not None
    assert hold["reason"] == "conflict"
    assert shown in hold["row_facts"].values()
    assert str(next(iter(exchange.values()))) in hold["report"].values()
    assert read_row(application, 1) == before
    assert read_log(application, 1) == []


def test_an_order_placed_long_after_its_row_is_another(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    long_ago = now - timedelta(days=40)
    insert_order(application, 1, created_at=long_ago, updated_at=long_ago)
    report = replace(a_report(1, fetched_at=now), placed_at=an_hour_before(now))

    applied(database, (1, report))

    assert read_row(application, 1)["status"] == "new"
    hold = read_hold(application, 1)
    assert hold is not None
    assert hold["row_facts"]["created_at"].startswith(f"{now - timedelta(days=40):%Y-%m-%d}")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("qty", "qty text DEFAULT 'half a coin'"),
        ("qty", "qty money DEFAULT 1"),
        ("side", "side integer DEFAULT 1"),
        ("side", "side boolean DEFAULT false"),
        ("client_order_id", "client_order_id uuid DEFAULT gen_random_uuid()"),
        ("client_order_id", "client_order_id bigint DEFAULT 7"),
    ],
)
def test_a_column_that_cannot_be_compared_is_not_used(
    name: str, column: str, application: Application, database: Database
) -> None:
    application.execute(f"ALTER TABLE orders DROP COLUMN IF EXISTS {name}, ADD COLUMN {column}")
    insert_order(application, 1)
    report = replace(
        a_report(1, fetched_at=now_of(database)), side=Side.BUY, client_order_id="theirs"
    )

    applied(database, (1, report))

    assert read_row(application, 1)["status"] == "filled"
    assert shape_of(database).unusable == {name}


@pytest.mark.usefixtures("clerk_role")
def test_a_column_that_our_role_may_not_read_is_not_used(
    application: Application, database: Database
) -> None:
    application.execute(
        "GRANT SELECT (id, symbol, external_order_id, status, executed_qty, avg_price,"
        " last_synced_at, created_at, updated_at, side) ON orders TO clerk;"
        "GRANT SELECT ON reconciliation_holds, reconciliation_state TO clerk"
    )

    with database.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE clerk")
        orders = read_orders_table(connection)
        page = StaleOrders(orders, stale_after=A_MINUTE).read_page(connection, 10)

    assert orders.unusable == {"qty", "client_order_id"}
    assert "side" in orders.optional
    assert page.orders == ()
    assert not orders.has_row_version


@pytest.mark.parametrize("kind", ["numeric", "integer", "bigint", "double precision", "real"])
def test_a_quantity_of_any_numeric_type_is_compared(
    kind: str, application: Application, database: Database
) -> None:
    application.execute(f"ALTER TABLE orders ALTER COLUMN qty TYPE {kind}")
    for id_, qty in ((1, 1), (2, 2)):
        insert_order(application, id_, qty=qty)
        applied(database, (id_, a_report(id_, fetched_at=now_of(database))))

    assert [read_row(application, id_)["status"] for id_ in (1, 2)] == ["new", "filled"]


@pytest.mark.parametrize("word", ["BUY", "buy", "Buy"])
def test_a_side_that_is_an_enum_in_any_case_is_compared(
    word: str, application: Application, database: Database
) -> None:
    application.execute(
        f"CREATE TYPE order_side AS ENUM ('{word}', 'other');"
        " ALTER TABLE orders DROP COLUMN side;"
        f" ALTER TABLE orders ADD COLUMN side order_side DEFAULT '{word}'"
    )
    for id_, side in ((1, Side.SELL), (2, Side.BUY)):
        insert_order(application, id_)
        applied(database, (id_, replace(a_report(id_, fetched_at=now_of(database)), side=side)))

    assert [read_row(application, id_)["status"] for id_ in (1, 2)] == ["new", "filled"]


@pytest.mark.parametrize("status", [Status.NEW, Status.FILLED])
def test_invariant_14_a_late_write_makes_no_row_look_younger(
    status: Status, application: Application, database: Database
) -> None:
    asked_at = now_of(database) - timedelta(minutes=5)
    earlier = an_hour_before(asked_at)
    insert_order(application, 1, last_synced_at=earlier, updated_at=earlier)
    executed = "0" if status is Status.NEW else "1"

    applied(database, (1, a_report(1, status, executed, None, fetched_at=asked_at)))

    assert read_row(application, 1)["last_synced_at"] == asked_at


def test_an_answer_of_three_hours_ago_is_not_written(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    before = read_row(application, 1)
    asked_at = now_of(database) - timedelta(hours=3)

    (outcome,) = applied(database, (1, a_report(1, fetched_at=asked_at))).outcomes

    assert outcome.decision == Leave(rule=Rule.STALE_REPORT)
    assert read_row(application, 1) == before


@in_both
def test_an_older_answer_that_comes_late_moves_no_sync_back(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    synced_at = now - timedelta(seconds=1)
    insert_order(application, 1, last_synced_at=synced_at, updated_at=an_hour_before(now))

    applied(database, (1, a_report(1, Status.NEW, "0", None, fetched_at=now - A_MINUTE)))

    assert read_row(application, 1)["last_synced_at"] == synced_at


@pytest.mark.parametrize("ahead", ["now() + interval '2 days'", "'infinity'"])
def test_a_sync_in_the_future_is_moved_to_the_time_of_the_request(
    ahead: str, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    application.execute(f"UPDATE orders SET last_synced_at = {ahead}")  # noqa: S608 - the cases above
    now = now_of(database)

    applied(database, (1, a_report(1, Status.NEW, "0", None, fetched_at=now)))

    assert read_row(application, 1)["last_synced_at"] == now


def test_an_answer_from_a_fast_clock_is_synced_no_later_than_now(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)

    applied(
        database,
        (1, a_report(1, Status.NEW, "0", None, fetched_at=now_of(database) + timedelta(hours=1))),
    )

    assert read_row(application, 1)["last_synced_at"] <= now_of(database)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("column", ["executed_qty", "avg_price"])
def test_a_row_without_a_number_is_held_at_once(
    column: str, number: str, application: Application, database: Database
) -> None:
    application.execute(f"ALTER TABLE orders ALTER COLUMN {column} TYPE numeric")
    insert_order(application, 1, **{column: Decimal(number)})
    writer = a_writer(database)
    pages = StaleOrders(shape_of(database), stale_after=A_MINUTE)
    with database.transaction() as connection:
        (stale,) = pages.read_page(connection, 10).orders

    answers: dict[OrderId, Answer] = {1: a_report(1, fetched_at=now_of(database))}

    with database.transaction() as connection:
        writer.apply(connection, answers, {1: stale.facts})

    hold = read_hold(application, 1)
    assert hold is not None
    assert (hold["reason"], number in hold["detail"]) == ("conflict", True)


AVERAGES = ["33.333333333333333333333333333", "0.1", "60000.123456789012", "1e-7", "0.300000012"]


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("kind", ["double precision", "real", "numeric", "numeric(20, 3)"])
def test_an_average_is_rounded_by_its_column_and_changes_once(
    kind: str, average: str, application: Application, database: Database
) -> None:
    application.execute(f"ALTER TABLE orders ALTER COLUMN avg_price TYPE {kind}")
    insert_order(application, 1, status="partial", executed_qty=Decimal(1))

    decisions = [
        applied(
            database, (1, a_report(1, Status.PARTIAL, "1", average, fetched_at=now_of(database)))
        )
        .outcomes[0]
        .decision
        for _ in range(3)
    ]

    assert decisions[1:] == [Confirm(), Confirm()]
    assert len(read_log(application, 1)) <= 1


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    average=st.decimals(min_value=Decimal("1e-9"), max_value=10**12, places=18)
    | st.integers(min_value=-20, max_value=40).map(lambda power: Decimal(2) ** power),
    kind=st.sampled_from(["double precision", "real"]),
)
def test_no_average_flaps_in_a_float_column(
    average: Decimal, kind: str, application: Application, database: Database
) -> None:
    application.execute("DELETE FROM orders")
    application.execute(f"ALTER TABLE orders ALTER COLUMN avg_price TYPE {kind}")
    insert_order(application, 1, status="partial", executed_qty=Decimal(1))
    for _ in range(2):
        report = a_report(1, Status.PARTIAL, "1", f"{average:f}", fetched_at=now_of(database))
        (outcome,) = applied(database, (1, report)).outcomes

    assert outcome.decision == Confirm()


def test_an_archived_order_is_ended_and_logged_with_its_age(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    application.execute("ALTER TABLE orders ALTER COLUMN created_at DROP NOT NULL")
    for id_, days in ((1, 91), (2, 89), (3, None)):
        created_at = None if days is None else now - timedelta(days=days)
        insert_order(application, id_, created_at=created_at, updated_at=an_hour_before(now))

    for id_ in (1, 2, 3):
        archived = Archived(symbol=SYMBOL, external_order_id=str(id_), fetched_at=now)
        applied(database, (id_, archived))

    assert facts_of(read_row(application, 1)) == ("canceled", Decimal(0), None)
    (entry,) = read_log(application, 1)
    assert entry["details"]["rule"] == "archived"
    assert entry["details"]["report"]["word"] == "ARCHIVED"
    assert entry["details"]["report"]["status"] is None
    assert [read_row(application, id_)["status"] for id_ in (2, 3)] == ["new", "new"]
    assert all(read_hold(application, id_) for id_ in (2, 3))
