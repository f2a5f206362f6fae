"""Nothing is written while the halt is on, also by a writer that has been running before."""

import pytest

from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.errors import Halted
from reconciler.scope import UNSCOPED
from reconciler.store import shared_state
from reconciler.store.database import Database
from reconciler.store.hold_acceptance import accept, decide_acceptance
from reconciler.store.holds import read_hold as read_held_order

from .builders import (
    EXCHANGE,
    Application,
    a_fault,
    a_report,
    a_writer,
    an_absence,
    applied,
    insert_order,
    now_of,
    read_hold,
    read_log,
    read_row,
    shape_of,
)


def apply_halt(database: Database) -> None:
    with database.transaction() as connection:
        shared_state.apply_halt(connection, UNSCOPED, "most orders have vanished")


def test_a_writer_that_ran_before_the_halt_writes_nothing_after_it(
    application: Application, database: Database
) -> None:
    for id_ in range(1, 8):
        insert_order(application, id_)
    writer = a_writer(database)
    for id_ in (1, 2, 3, 4):  # Its statements are prepared by now.
        report = a_report(id_, fetched_at=now_of(database))
        with database.transaction() as connection:
            writer.apply(connection, {id_: report})
    apply_halt(database)
    before = [read_row(application, id_) for id_ in (5, 6, 7)]

    now = now_of(database)
    answers: dict[OrderId, Answer] = {
        5: a_report(5, fetched_at=now),
        6: an_absence(6, fetched_at=now),
        7: a_fault(7, fetched_at=now),
    }
    for order_id, answer in answers.items():
        with (
            pytest.raises(Halted, match="most orders have vanished"),
            database.transaction() as connection,
        ):
            writer.apply(connection, {order_id: answer})

    assert [read_row(application, id_) for id_ in (5, 6, 7)] == before
    assert [read_hold(application, id_) for id_ in (5, 6, 7)] == [None] * 3
    assert read_log(application, 5) == []


def test_a_writer_writes_again_once_the_halt_is_released(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    apply_halt(database)
    with database.transaction() as connection:
        shared_state.release_halt(connection, UNSCOPED, by="Ada")

    applied(database, (1, a_report(1, fetched_at=now_of(database))))

    assert read_row(application, 1)["status"] == "filled"


def test_no_row_is_locked_while_the_halt_is_on(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    apply_halt(database)
    writer = a_writer(database)
    report = a_report(1, fetched_at=now_of(database))

    with database.transaction() as connection:
        with pytest.raises(Halted):
            writer.apply(connection, {1: report})
        free = application.execute("SELECT id FROM orders FOR UPDATE SKIP LOCKED").fetchall()

    assert free == [{"id": 1}]


def test_a_persons_acceptance_is_written_during_a_halt(
    application: Application, database: Database
) -> None:
    insert_order(application, 1, status="partial", executed_qty=2)
    applied(database, (1, a_report(1, fetched_at=now_of(database))))
    apply_halt(database)
    orders, now = shape_of(database), now_of(database)

    with database.transaction() as connection:
        hold = read_held_order(connection, UNSCOPED, "1")
        assert hold is not None
        acceptance = decide_acceptance(hold, None, orders, now=now)
        accept(connection, orders, hold, 1, acceptance, exchange=EXCHANGE, by="Ada")

    assert read_row(application, 1)["executed_qty"] == acceptance.to.executed_qty
