from decimal import Decimal

import pytest
from sqlalchemy import text

from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.store.database import Database
from tests.chaos import change_recorder
from tests.chaos.change_recorder import RecordedChange, violations

KEY = ("BTCUSDT", "1")


def facts(status: Status, executed: str = "0", average: str | None = None) -> Facts:
    return Facts(
        status=status,
        executed_qty=Decimal(executed),
        avg_price=None if average is None else Decimal(average),
    )


TRUTH = {KEY: facts(Status.FILLED, "2", "10")}


def violations_of(before: Facts, after: Facts) -> list[str]:
    return list(violations([RecordedChange(key=KEY, before=before, after=after)], TRUTH))


def test_a_change_towards_the_truth_is_no_violation() -> None:
    assert violations_of(facts(Status.NEW), facts(Status.PARTIAL, "1", "10")) == []
    assert violations_of(facts(Status.PARTIAL, "1", "10"), TRUTH[KEY]) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        pytest.param(TRUTH[KEY], facts(Status.NEW, "2", "10"), "opened again", id="reopened"),
        pytest.param(TRUTH[KEY], facts(Status.CANCELED, "2", "10"), "ended twice", id="two ends"),
        pytest.param(facts(Status.PARTIAL, "1"), facts(Status.NEW, "1"), "went back", id="back"),
        pytest.param(facts(Status.PARTIAL, "2"), facts(Status.PARTIAL, "1"), "lost", id="shrunken"),
        pytest.param(facts(Status.NEW), facts(Status.CANCELED), "never reported", id="guessed"),
        pytest.param(facts(Status.NEW), facts(Status.FILLED), "never reported", id="half true"),
    ],
)
def test_a_change_that_must_never_be_made_is_described(
    before: Facts, after: Facts, fault: str
) -> None:
    (violation,) = violations_of(before, after)

    assert fault in violation
    assert "BTCUSDT 1" in violation


def test_every_change_of_the_facts_is_recorded_and_no_other(database: Database) -> None:
    with database.transaction() as connection:
        change_recorder.start(connection)
        connection.execute(
            text("INSERT INTO orders (symbol, external_order_id, status) VALUES (:s, :e, 'new')"),
            {"s": KEY[0], "e": KEY[1]},
        )
        connection.execute(text("UPDATE orders SET last_synced_at = now()"))
        connection.execute(text("UPDATE orders SET status = 'filled', executed_qty = 2"))
        connection.execute(text("UPDATE orders SET status = 'new'"))

        changes = change_recorder.read_changes(connection)

    assert [(change.before.status, change.after.status) for change in changes] == [
        (Status.NEW, Status.FILLED),
        (Status.FILLED, Status.NEW),
    ]
    assert len(list(violations(changes, TRUTH))) == 2
