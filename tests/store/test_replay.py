"""Past changes are decided again from the log alone; those that do not follow are found."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from reconciler.domain.decide import Policy
from reconciler.domain.order import Side
from reconciler.domain.report import Archived
from reconciler.domain.status import Status
from reconciler.domain.value import replace
from reconciler.scope import UNSCOPED, Scope
from reconciler.store import replay as module
from reconciler.store.database import Database
from reconciler.store.replay import ReplayedChange, replay

from .builders import (
    SYMBOL,
    Application,
    Shape,
    a_policy,
    a_report,
    applied,
    insert_order,
    now_of,
    shape_of,
)


def replayed(
    database: Database, *, scope: Scope = UNSCOPED, order_id: str | None = None
) -> list[ReplayedChange]:
    policy = a_policy(shape_of(database))
    with database.autocommit() as connection:
        return list(replay(connection, policy, scope=scope, order_id=order_id))


def make_changes(application: Application, database: Database, shape: Shape) -> None:
    """Make one change by each rule that changes rows."""
    steps: tuple[list[tuple[Status, str, str | None]], ...] = (
        [(Status.FILLED, "1.23456789012", "3.333333333333")],
        [(Status.NEW, "0.4", "7"), (Status.NEW, "0.9", "7.5"), (Status.NEW, "0.9", "9")],
        [(Status.PARTIAL, "0.5", None), (Status.CANCELED, "0.5", "100")],
    )
    for number, reports in enumerate(steps, 1):
        id_ = shape.id_of(number)
        insert_order(application, id_, status="pending")
        for status, executed, average in reports:
            report = a_report(id_, status, executed, average, fetched_at=now_of(database))
            applied(database, (id_, report))


def test_every_change_is_replayed_from_its_report(
    shape: Shape, owner: Application, empty_database: Database
) -> None:
    make_changes(owner, empty_database, shape)

    changes = replayed(empty_database)

    rules = {
        row["rule"]
        for row in owner.execute("SELECT details->>'rule' AS rule FROM activity_log").fetchall()
    }
    assert rules == {"ended", "status_advanced", "quantity_grew", "price_corrected"}
    assert len(changes) >= 5
    assert [change for change in changes if change.difference is not None] == []
    assert not any(change.is_by_person for change in changes)


def test_an_archived_entry_is_replayed_by_its_recorded_age(
    application: Application, database: Database
) -> None:
    now = now_of(database)
    long_ago = now - timedelta(days=91)
    insert_order(application, 1, created_at=long_ago, updated_at=long_ago)
    applied(database, (1, Archived(symbol=SYMBOL, external_order_id="1", fetched_at=now)))

    assert [change.difference for change in replayed(database)] == [None]

    application.execute(
        "UPDATE activity_log SET details = jsonb_set(details, '{created_at}', to_jsonb(now()))"
    )
    (tampered,) = replayed(database)
    assert "hold for not_found" in (tampered.difference or "")


def test_an_entry_of_an_earlier_version_is_replayed_the_same(
    application: Application, database: Database
) -> None:
    insert_order(application, 1)
    insert_order(application, 2)
    report = replace(
        a_report(1, fetched_at=now_of(database)), quantity=Decimal("1.5"), side=Side.BUY
    )
    applied(database, (1, report))
    # As earlier versions logged -2026: as a report of an end.
    ended = a_report(2, Status.CANCELED, "0", None, word="ARCHIVED", fetched_at=now_of(database))
    applied(database, (2, ended))
    application.execute(
        "UPDATE activity_log SET details = details #- '{report,quantity}' #- '{report,side}'"
    )

    assert [change.difference for change in replayed(database)] == [None, None]


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ("jsonb_set(details, '{to,executed_qty}', '\"9\"')", "recorded: filled, 9 executed"),
        ("jsonb_set(details, '{report,status}', '\"canceled\"')", "decided now: canceled"),
        ("jsonb_set(details, '{report,status}', 'null')", "hold for unknown_status"),
        ("jsonb_set(details, '{from}', details->'to')", "no change (unchanged)"),
        ("jsonb_set(details, '{rule}', '\"accepted\"')", "cannot be read: KeyError 'by'"),
        ("details - 'report'", "cannot be read: KeyError 'report'"),
        ("jsonb_set(details, '{to,executed_qty}', '\"many\"')", "cannot be read"),
        ("jsonb_set(details, '{fetched_at}', '\"soon\"')", "cannot be read"),
        ("'[]'::jsonb", "cannot be read: TypeError"),
    ],
)
def test_an_entry_that_was_tampered_with_is_found(
    tampering: str, expected: str, application: Application, database: Database
) -> None:
    for id_ in (1, 2):
        insert_order(application, id_)
        applied(database, (id_, a_report(id_, fetched_at=now_of(database))))
    with database.transaction() as connection:
        connection.execute(
            text(f"UPDATE activity_log SET details = {tampering} WHERE order_id = '1'")  # noqa: S608 - the cases above
        )

    tampered, whole = replayed(database)

    assert expected in (tampered.difference or "")
    assert whole.difference is None


def test_an_entry_of_the_application_is_not_replayed(
    application: Application, database: Database
) -> None:
    application.execute(
        "INSERT INTO activity_log (order_id, action, details) VALUES ('1', 'placed', '{}')"
    )

    assert replayed(database) == []


def test_all_pages_are_replayed_once_and_in_order(
    application: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_SIZE", 2)
    for id_ in range(1, 6):
        insert_order(application, id_)
        applied(database, (id_, a_report(id_, fetched_at=now_of(database))))

    assert [change.order_id for change in replayed(database)] == ["1", "2", "3", "4", "5"]
    assert [change.order_id for change in replayed(database, order_id="4")] == ["4"]


def test_the_changes_of_other_programs_are_left_out(
    application: Application, database: Database
) -> None:
    for id_ in (1, 2, 3):
        insert_order(application, id_)
        applied(database, (id_, a_report(id_, fetched_at=now_of(database))))
    for order_id, scope in (("2", "here"), ("3", "there")):
        application.execute(
            "UPDATE activity_log SET details = details || jsonb_build_object('scope', %s::text)"
            " WHERE order_id = %s",
            [scope, order_id],
        )

    assert [change.order_id for change in replayed(database)] == ["1"]
    assert [change.order_id for change in replayed(database, scope=Scope("here"))] == ["1", "2"]


def test_a_span_includes_its_begin_and_excludes_its_end(
    application: Application, database: Database
) -> None:
    for id_ in (1, 2, 3):
        insert_order(application, id_)
        applied(database, (id_, a_report(id_, fetched_at=now_of(database))))
    moments = [
        row["created_at"]
        for row in application.execute("SELECT created_at FROM activity_log ORDER BY id").fetchall()
    ]

    with database.autocommit() as connection:
        found = list(
            replay(connection, Policy(), scope=UNSCOPED, since=moments[1], until=moments[2])
        )

    assert [change.order_id for change in found] == ["2"]


def test_an_applications_own_log_may_have_uuids_as_ids(
    application: Application, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_SIZE", 1)
    for id_ in (1, 2):
        insert_order(application, id_)
        applied(database, (id_, a_report(id_, fetched_at=now_of(database))))
    application.execute(
        "ALTER TABLE activity_log DROP COLUMN id;"
        " ALTER TABLE activity_log ADD COLUMN id uuid PRIMARY KEY DEFAULT gen_random_uuid()"
    )

    changes = replayed(database)

    assert sorted(change.order_id for change in changes) == ["1", "2"]
