"""What was decided is what the rows say afterwards, with one entry in the log for each change."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.domain.decide import Change, Confirm, Hold, HoldReason, Leave, Rule
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.report import Answer, Report
from reconciler.domain.status import Status
from reconciler.store.activity import ACTION, Activity, read_history
from reconciler.store.apply import Outcome
from reconciler.store.database import Database
from reconciler.store.stale import StaleOrders

from .builders import (
    EXCHANGE,
    SHAPES,
    SYMBOL,
    Application,
    Shape,
    a_report,
    an_absence,
    an_apply,
    an_unanswerable,
    applied,
    facts_of,
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


def test_a_change_is_written_touched_and_logged_once_in_every_shape(
    shape: Shape, owner: Application, empty_database: Database
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
    assert row["last_synced_at"] > now
    assert all(row[name] > now for name in touch)
    assert [entry["action"] for entry in read_log(owner, id_)] == [ACTION]


def test_a_batch_of_200_takes_four_round_trips(
    application: Application, database: Database, tmp_path: Path
) -> None:
    for id_ in range(1, 201):
        insert_order(application, id_)
    now = now_of(database)
    step = an_apply(database)
    answers: dict[OrderId, Answer] = {id_: a_report(id_, fetched_at=now) for id_ in range(1, 201)}

    with round_trips(database, tmp_path) as told, database.transaction() as connection:
        result = step.apply(connection, answers)

    assert len(result.outcomes) == 200
    assert len(told) == 4


def test_a_batch_takes_four_round_trips_also_once_its_statements_are_prepared(
    application: Application, database: Database, tmp_path: Path
) -> None:
    step = an_apply(database)
    for id_ in range(1, 11):
        insert_order(application, id_)
        answers: dict[OrderId, Answer] = {id_: a_report(id_, fetched_at=now_of(database))}
        with round_trips(database, tmp_path) as told, database.transaction() as connection:
            step.apply(connection, answers)

    assert len(told) == 4


@contextmanager
def round_trips(database: Database, folder: Path) -> Iterator[list[str]]:
    """Take down what is said on the connection; at the end, fill in each word of its readiness."""
    with database.connection() as connection:
        libpq = connection.connection.driver_connection.pgconn  # type: ignore[union-attr] # psycopg's
    told: list[str] = []
    with (folder / "protocol").open("w+") as trace:
        libpq.trace(trace.fileno())
        try:
            yield told
        finally:
            libpq.untrace()
        trace.seek(0)
        told += [line for line in trace if "ReadyForQuery" in line]


def test_a_confirmation_moves_only_the_time_of_the_sync_in_every_shape(
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
    assert after["last_synced_at"] > now
    assert {**after, "last_synced_at": before["last_synced_at"]} == before
    assert read_log(owner, id_) == []


def test_a_hold_leaves_the_row_and_is_written_in_every_shape(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    id_ = shape.id_of(1)
    insert_order(owner, id_)
    before = read_row(owner, id_)

    (outcome,) = applied(
        empty_database, (id_, an_unanswerable(id_, fetched_at=now_of(empty_database)))
    ).outcomes

    hold = read_hold(owner, id_)
    assert outcome.decision == Hold(reason=HoldReason.ERROR, detail="no such symbol")
    assert hold is not None
    assert (hold["reason"], hold["detail"], hold["attempts"]) == ("error", "no such symbol", 1)
    assert read_row(owner, id_) == before
    assert read_log(owner, id_) == []


def test_what_is_left_alone_is_not_written_at_all(
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
    step = an_apply(database)
    answers: dict[OrderId, Answer] = {
        1: a_report(1, fetched_at=now),
        2: a_report(2, Status.NEW, "0", None, fetched_at=now),
        3: an_absence(3, fetched_at=now),
        4: a_report(4, fetched_at=now - timedelta(days=1)),
        6: a_report(6, fetched_at=now),
    }

    with round_trips(database, tmp_path) as told, database.transaction() as connection:
        result = step.apply(connection, answers)

    kinds = {outcome.order.id: type(outcome.decision) for outcome in result.outcomes}
    assert kinds == {1: Change, 2: Confirm, 3: Hold, 4: Leave}
    assert result.skipped == (6,)
    assert len(told) == 4
    rows = application.execute("SELECT id, status FROM orders ORDER BY id").fetchall()
    assert [row["status"] for row in rows] == ["filled", "new", "new", "new", "new"]


def test_nothing_to_write_writes_nothing(application: Application, database: Database) -> None:
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


def test_an_entry_tells_before_after_and_why(application: Application, database: Database) -> None:
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


def test_an_entry_keeps_whatever_the_exchange_says(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    words = {1: 'A"B', 2: "{},\\", 3: "\x1e\n\t", 4: "已成交", 5: "%s %(a)s $1"}
    for id_ in words:
        insert_order(application, id_, updated_at=an_hour_before(now))

    applied(database, *((id_, a_report(id_, word=words[id_], fetched_at=now)) for id_ in words))

    logged = {id_: read_log(application, id_)[0]["details"]["report"]["word"] for id_ in words}
    assert logged == words


def test_the_history_is_told_from_the_oldest_on(
    application: Application, database: Database
) -> None:
    insert_order(application, 1, updated_at=an_hour_before(now_of(database)))
    for status, executed in ((Status.PARTIAL, "1"), (Status.PARTIAL, "2"), (Status.FILLED, "3")):
        applied(database, (1, a_report(1, status, executed, fetched_at=now_of(database))))

    with database.autocommit() as connection:
        history: list[Activity] = list(read_history(connection, "1"))

    assert [entry.details["to"]["executed_qty"][0] for entry in history] == ["1", "2", "3"]


def test_two_rows_for_one_order_at_the_exchange_are_both_made_true(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    for id_ in (1, 2):
        insert_order(application, id_, external_order_id="77", updated_at=an_hour_before(now))

    applied(database, *((id_, a_report(77, fetched_at=now)) for id_ in (1, 2)))

    assert [read_row(application, id_)["status"] for id_ in (1, 2)] == ["filled", "filled"]


def test_the_preview_tells_the_same_and_writes_nothing(
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

    step = an_apply(database)
    with database.transaction() as connection:
        previewed = step.preview(connection, answers)
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
def test_a_time_that_no_calendar_holds_is_taken_for_none(
    moment: str, application: Application, database: Database
) -> None:
    insert_order(application, 1, created_at=moment, updated_at=moment)

    (outcome,) = applied(database, (1, a_report(1, fetched_at=now_of(database)))).outcomes

    assert (outcome.order.created_at, outcome.order.updated_at) == (None, None)
    assert application.execute("SELECT status FROM orders").fetchone() == {"status": "filled"}


def test_a_row_that_was_written_after_the_question_is_left_alone(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    answer = a_report(1, executed="5", fetched_at=now_of(database))
    application.execute("UPDATE orders SET executed_qty = 1, updated_at = clock_timestamp()")

    (outcome,) = applied(database, (1, answer)).outcomes

    assert outcome.decision == Leave(rule=Rule.STALE_REPORT)
    assert read_row(application, 1)["executed_qty"] == 1


def test_such_a_row_is_left_alone_also_where_nothing_but_its_facts_tells(
    owner: Application, empty_database: Database
) -> None:
    make_ready(owner, SHAPES["nothing optional"].ddl)
    for id_ in (1, 2):
        insert_order(owner, id_)
    step = an_apply(empty_database)
    stale = StaleOrders(shape_of(empty_database), stale_after=timedelta(minutes=5))
    with empty_database.transaction() as connection:
        seen = {order.id: order.facts for order in stale.read_page(connection, 100).orders}
    now = now_of(empty_database)
    owner.execute("UPDATE orders SET executed_qty = 1 WHERE id = 1")

    with empty_database.transaction() as connection:
        answers: dict[OrderId, Answer] = {
            id_: a_report(id_, executed="5", fetched_at=now) for id_ in (1, 2)
        }
        result = step.apply(connection, answers, seen)

    decisions = {outcome.order.id: outcome.decision for outcome in result.outcomes}
    assert seen[1] == Facts(status=Status.NEW, executed_qty=Decimal(0), avg_price=None)
    assert set(seen) == {1, 2}
    assert decisions[1] == Leave(rule=Rule.STALE_REPORT)
    assert isinstance(decisions[2], Change)


def test_the_clock_that_is_told_is_the_databases(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    before = now_of(database)

    result = applied(database, (1, an_absence(1, fetched_at=before)))

    assert result.now is not None
    assert before < result.now < now_of(database)


def test_an_outcome_says_which_hold_the_order_was_under(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    answer: Report | Answer = an_unanswerable(1, fetched_at=now_of(database))

    outcomes: list[Outcome] = [
        outcome for _ in range(2) for outcome in applied(database, (1, answer)).outcomes
    ]

    first, second = outcomes
    assert first.hold is None
    assert second.hold is not None
    assert (second.hold.reason, second.hold.attempts) == (HoldReason.ERROR, 1)
    assert set(second.__struct_fields__) == {"order", "hold", "decision"}
