"""A held row that now names another order is due at once."""

from datetime import timedelta

import pytest

from reconciler.domain.decide import HoldReason
from reconciler.domain.value import replace
from reconciler.scope import UNSCOPED
from reconciler.store.database import Database
from reconciler.store.explain import read_row as explain_row
from reconciler.store.hold_acceptance import NotAcceptable, accept, decide_acceptance
from reconciler.store.holds import read_hold, resolve_ended

from .builders import (
    EXCHANGE,
    Application,
    Shape,
    a_fault,
    a_report,
    an_absence,
    applied,
    insert_order,
    now_of,
    shape_of,
)
from .test_stale import STALE_AFTER, ids_of, measure, read_page

CORRECTIONS = {
    "the symbol": ("symbol = 'ETHUSDT'", [1]),
    "the external id": ("external_order_id = '77'", [1]),
    "both": ("symbol = 'ETHUSDT', external_order_id = '77'", [1]),
    "nothing of them": ("client_order_id = 'mine', qty = 7", []),
    "the symbol, to none": ("symbol = ''", [1]),
}


@pytest.mark.parametrize(("change", "due"), CORRECTIONS.values(), ids=CORRECTIONS)
def test_a_held_row_that_was_corrected_is_due_at_once(
    change: str, due: list[int], application: Application, database: Database
) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    held_before = ids_of(read_page(database))

    application.execute(f"UPDATE orders SET {change} WHERE id = 1")  # noqa: S608 - a case above

    orders = shape_of(database)
    with database.autocommit() as connection:
        hold = read_hold(connection, UNSCOPED, "1")
        row = explain_row(connection, orders, 1, stale_after=STALE_AFTER)
    assert held_before == []
    assert ids_of(read_page(database)) == due
    assert measure(database).orders == len(due)
    assert hold is not None
    assert row is not None
    assert hold.is_waiting(row.symbol, row.external_order_id, row.now) == (not due)


def test_held_rows_are_recognised_in_every_shape_of_table(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    id_ = shape.id_of(1)
    insert_order(owner, id_)
    applied(empty_database, (id_, a_fault(id_, fetched_at=now_of(empty_database))))

    assert ids_of(read_page(empty_database)) == []


@pytest.mark.parametrize("type_", ["char(20)", "varchar(20)", "name"])
def test_a_held_symbol_of_any_text_type_is_recognised(
    type_: str, application: Application, database: Database
) -> None:
    application.execute(f"ALTER TABLE orders ALTER symbol TYPE {type_}")
    insert_order(application, 1)
    insert_order(application, 2)
    (first, _) = read_page(database).orders
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))

    assert first.symbol == "BTCUSDT"
    assert ids_of(read_page(database)) == [2]


def test_a_hold_of_an_earlier_version_waits_as_before(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    application.execute(
        "UPDATE reconciliation_holds SET held_symbol = NULL, held_external_order_id = NULL"
    )

    assert ids_of(read_page(database)) == []
    assert measure(database).orders == 0


def test_a_hold_for_another_order_counts_from_one(
    application: Application, database: Database
) -> None:
    insert_order(application, 1, created_at=now_of(database) - timedelta(hours=1))
    for _ in range(5):
        applied(database, (1, an_absence(1, fetched_at=now_of(database))))
    application.execute("UPDATE orders SET external_order_id = '77'")

    absence = an_absence(1, fetched_at=now_of(database))
    applied(database, (1, replace(absence, external_order_id="77")))

    with database.autocommit() as connection:
        hold = read_hold(connection, UNSCOPED, "1")
    assert hold is not None
    assert (hold.attempts, hold.external_order_id) == (1, "77")
    assert "1 of 3" in hold.detail
    assert (hold.next_attempt_at - now_of(database)).total_seconds() <= 60


def test_a_report_about_another_order_is_not_accepted(
    application: Application, database: Database
) -> None:
    insert_order(application, 1, status="partial", executed_qty=2)
    applied(database, (1, a_report(1, fetched_at=now_of(database))))
    application.execute("UPDATE orders SET external_order_id = '77'")
    orders, now = shape_of(database), now_of(database)

    with database.transaction() as connection:
        hold = read_hold(connection, UNSCOPED, "1")
        assert hold is not None
        assert hold.reason is HoldReason.REGRESSION
        acceptance = decide_acceptance(hold, None, orders, now=now)
        with pytest.raises(NotAcceptable, match="has moved since it was held"):
            accept(connection, orders, hold, 1, acceptance, exchange=EXCHANGE, by="Ada")


def test_holds_of_ids_that_the_table_cannot_have_end(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    applied(database, (1, a_fault(1, fetched_at=now_of(database))))
    foreign = ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "", "99999999999999999999", "9" * 19, "1x"]
    for order_id in foreign:
        application.execute(
            "INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,"
            " next_attempt_at, row_facts)"
            " VALUES (%s, 'error', '', 1, now(), now(), '{\"status\": \"new\"}')",
            [order_id],
        )

    orders = shape_of(database)
    with database.transaction() as connection:
        ended = resolve_ended(connection, orders)

    assert ended == len(foreign)
