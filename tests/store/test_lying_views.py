"""A view whose trigger returns a row that it has not written: found out, and nothing is logged."""

from datetime import UTC, datetime

import pytest

from reconciler.domain.status import Status
from reconciler.store.database import Database
from reconciler.store.write_result import NotKept

from .builders import Application, a_report, applied, insert_order, read_log, read_row

VIEW = """
    DROP INDEX reconciler_open_orders;
    ALTER TABLE orders RENAME TO base;
    CREATE VIEW orders AS SELECT * FROM base;
    CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
    CREATE TRIGGER take INSTEAD OF UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION take();
"""
STATUS = "UPDATE base SET status = NEW.status WHERE id = OLD.id;"
TIME = "UPDATE base SET last_synced_at = NEW.last_synced_at WHERE id = OLD.id;"


@pytest.mark.parametrize(
    ("body", "status"),
    [("", Status.CANCELED), (TIME, Status.CANCELED), ("", Status.NEW), (STATUS, Status.NEW)],
    ids=["no change", "no change but the time", "no confirm", "no time"],
)
def test_a_view_that_does_not_write_what_it_returns_is_found_out(
    body: str, status: Status, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    application.execute(VIEW.format(body=body).encode())
    before = read_row(application, 1)

    with pytest.raises(NotKept):
        applied(database, (1, a_report(1, status, "0", None, fetched_at=datetime.now(UTC))))

    assert read_row(application, 1) == before
    assert read_log(application, 1) == []


@pytest.mark.parametrize("status", [Status.CANCELED, Status.NEW])
def test_a_view_that_writes_is_believed(
    status: Status, application: Application, database: Database
) -> None:
    insert_order(application, 1)
    application.execute(VIEW.format(body=STATUS + TIME).encode())

    applied(database, (1, a_report(1, status, "0", None, fetched_at=datetime.now(UTC))))

    row = read_row(application, 1)
    assert row["status"] == status
    assert row["last_synced_at"] is not None
