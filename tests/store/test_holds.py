"""A hold waits longer after each attempt, counts from one for another reason, and ends."""

from datetime import timedelta

import pytest

from reconciler.domain.decide import HoldReason
from reconciler.domain.status import Status
from reconciler.scope import UNSCOPED
from reconciler.store import holds
from reconciler.store.database import Database
from reconciler.store.holds import (
    ActiveHold,
    attempts_in_a_row,
    measure_holds,
    resolve_ended,
    wait_before_attempt,
)
from reconciler.store.user_table import DEFAULT_TABLE

from .builders import (
    Application,
    Shape,
    a_fault,
    a_report,
    an_absence,
    applied,
    insert_order,
    now_of,
    read_hold,
    read_log,
    shape_of,
)


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60), (10_000, 60)],
)
def test_the_wait_doubles_up_to_one_hour(attempts: int, minutes: int) -> None:
    assert wait_before_attempt(attempts) == timedelta(minutes=minutes)


def test_attempts_count_only_for_the_same_reason() -> None:
    held = ActiveHold(reason=HoldReason.ERROR, attempts=4)

    assert attempts_in_a_row(held, HoldReason.ERROR) == 4
    assert attempts_in_a_row(held, HoldReason.CONFLICT) == 0
    assert attempts_in_a_row(None, HoldReason.ERROR) == 0


def test_each_attempt_is_counted_and_the_next_waits_longer(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    now = now_of(database)

    for attempt in range(1, 9):
        applied(database, (1, a_fault(1, detail=f"no {attempt}", fetched_at=now)))

        hold = read_hold(application, 1)
        assert hold is not None
        assert (hold["attempts"], hold["detail"]) == (attempt, f"no {attempt}")
        assert timedelta(0) <= wait_before_attempt(attempt) - hold["wait"] < timedelta(seconds=5)

    held = application.execute("SELECT count(*) AS rows FROM reconciliation_holds").fetchone()
    assert held == {"rows": 1}


def test_another_reason_counts_from_one_again(application: Application, database: Database) -> None:
    insert_order(application, 1)
    now = now_of(database)
    for _ in range(3):
        applied(database, (1, a_fault(1, fetched_at=now)))
    first = read_hold(application, 1)

    applied(database, (1, a_report(1, None, "0", word="HALTED", fetched_at=now)))

    second = read_hold(application, 1)
    assert first is not None
    assert second is not None
    assert (first["attempts"], second["attempts"]) == (3, 1)
    assert (second["reason"], second["id"]) == ("unknown_status", first["id"])
    assert second["wait"] <= timedelta(minutes=1)
    assert second["first_held_at"] == first["first_held_at"]


def test_a_hold_counts_how_often_an_order_was_not_found(
    application: Application, database: Database
) -> None:
    an_hour_ago = now_of(database) - timedelta(hours=1)
    insert_order(application, 1, created_at=an_hour_ago, updated_at=an_hour_ago)
    details = []

    for _ in range(3):
        applied(database, (1, an_absence(1, fetched_at=now_of(database))))
        hold = read_hold(application, 1)
        assert hold is not None
        details.append(hold["detail"].split(":")[0])

    assert details == [
        "not found (1 of 3 times)",
        "not found (2 of 3 times)",
        "not found 3 times in a row",
    ]


@pytest.mark.parametrize(
    ("status", "executed", "entries"),
    [(Status.FILLED, "1", 1), (Status.NEW, "0", 0)],
    ids=["by a change", "by a confirmation"],
)
def test_a_hold_is_resolved_when_the_order_is_reconciled(
    status: Status, executed: str, entries: int, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))

    applied(database, (1, a_report(1, status, executed, None, fetched_at=now_of(database))))

    (hold,) = application.execute("SELECT * FROM reconciliation_holds").fetchall()
    assert hold["resolution"] == "reconciled"
    assert hold["resolved_at"] >= hold["first_held_at"]
    assert len(read_log(application, 1)) == entries


def test_an_order_held_again_later_gets_a_hold_of_its_own(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    for status in (None, Status.NEW, None):
        applied(database, (1, a_report(1, status, "0", None, fetched_at=now_of(database))))

    holds = application.execute(
        "SELECT attempts, resolution FROM reconciliation_holds ORDER BY id"
    ).fetchall()

    assert holds == [
        {"attempts": 1, "resolution": "reconciled"},
        {"attempts": 1, "resolution": None},
    ]


def test_an_order_that_is_left_keeps_its_hold(application: Application, database: Database) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    application.execute("UPDATE orders SET updated_at = clock_timestamp()")
    before = read_hold(application, 1)
    assert before is not None

    late = a_report(1, fetched_at=before["first_held_at"])
    applied(database, (1, late))

    after = read_hold(application, 1)
    assert after is not None
    assert after["next_attempt_at"] == before["next_attempt_at"]


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE orders SET status = 'canceled'",
        "DELETE FROM orders",
        "UPDATE orders SET external_order_id = NULL",
    ],
    ids=["ended", "deleted", "no longer at the exchange"],
)
def test_the_hold_of_an_order_that_the_application_ended_ends_too(
    ending: str, application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
        applied(database, (id_, a_fault(id_, fetched_at=now_of(database))))
    application.execute(f"{ending} WHERE id = 1".encode())

    assert ended_holds(database) == 1

    assert ended_holds(database) == 0
    assert read_hold(application, 1) is None
    assert read_hold(application, 2) is not None
    resolutions = application.execute(
        "SELECT resolution FROM reconciliation_holds WHERE order_id = '1'"
    ).fetchall()
    assert resolutions == [{"resolution": "ended by the application"}]


def test_a_contradiction_between_two_ends_stays_for_a_person(
    application: Application, database: Database
) -> None:
    insert_order(application, 1, status="canceled")
    applied(database, (1, a_report(1, Status.FILLED, "1", fetched_at=now_of(database))))

    assert ended_holds(database) == 0
    assert read_hold(application, 1) is not None


def test_holds_end_whatever_the_shape_of_orders(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    id_ = shape.id_of(1)
    insert_order(owner, id_)
    applied(empty_database, (id_, a_fault(id_, fetched_at=now_of(empty_database))))
    owner.execute("UPDATE orders SET status = 'filled'")

    assert ended_holds(empty_database) == 1


def ended_holds(database: Database) -> int:
    orders = shape_of(database)
    with database.transaction() as connection:
        return resolve_ended(connection, orders)


def add_hold(
    application: Application, order_id: int, *, status: str = "new", hours_ago: float = 0
) -> None:
    application.execute(
        "INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,"
        " next_attempt_at, row_facts) SELECT %s, 'conflict', '', 1, now() - %s * interval '1 hour',"
        " now(), jsonb_build_object('status', %s::text)",
        (str(order_id), hours_ago, status),
    )


def test_holds_are_measured_against_the_open_orders(
    application: Application, database: Database
) -> None:
    for number in range(1, 6):
        insert_order(application, number)
    insert_order(application, 6, status="filled")
    insert_order(application, 7, external_order_id=None)
    add_hold(application, 1)
    add_hold(application, 2, hours_ago=3)
    add_hold(application, 6, status="filled", hours_ago=5)
    add_hold(application, 8, hours_ago=9)
    application.execute(
        "UPDATE reconciliation_holds SET resolved_at = now(), resolution = 'done'"
        " WHERE order_id = '8'"
    )

    with database.transaction() as connection:
        measured = measure_holds(connection, DEFAULT_TABLE, UNSCOPED)

    assert (measured.open_orders, measured.held_orders) == (5, 2)
    assert measured.oldest_age_seconds == pytest.approx(5 * 3600, abs=60)


def test_many_open_orders_are_estimated_and_not_counted(
    application: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "MAX_COUNTED", 100)
    application.execute(
        "INSERT INTO orders (id, symbol, external_order_id, status)"
        " SELECT number, 'BTCUSDT', number::text, 'new' FROM generate_series(1, 2000) AS number"
    )
    application.execute("ANALYZE orders")

    with database.transaction() as connection:
        measured = measure_holds(connection, DEFAULT_TABLE, UNSCOPED)

    assert measured.open_orders == 2000
    assert (measured.held_orders, measured.oldest_age_seconds) == (0, None)
