"""For any rows and answers, the database afterwards has exactly what `decide` decided."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, assert_never

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.domain.column_scale import DecimalPlaces
from reconciler.domain.decide import Change, Confirm, Decision, Hold, Leave, Policy, decide
from reconciler.domain.order import Facts, Order, OrderId
from reconciler.domain.report import Answer
from reconciler.domain.retention import Retention
from reconciler.domain.status import Status
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter

from .builders import (
    SYMBOL,
    Application,
    a_fault,
    a_report,
    a_writer,
    an_absence,
    facts_of,
    in_both,
    insert_order,
    now_of,
    read_hold,
    read_log,
    read_row,
)


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """A row last written `age` ago, and an answer `lag` old."""

    facts: Facts
    age: timedelta
    answer: Callable[..., Answer]
    lag: timedelta

    def order(self, id_: OrderId, now: datetime) -> Order:
        return Order(
            id=id_,
            symbol=SYMBOL,
            external_order_id=str(id_),
            facts=self.facts,
            created_at=now - timedelta(hours=2),
            updated_at=now - self.age,
        )


# Few values, so that rows and reports often agree, and some with more places than the columns have.
AMOUNTS = st.sampled_from(["0", "1", "1.00000001", "1.000000014", "2.5", "1E-9", "99999999"])
AVERAGES = st.none() | AMOUNTS
STATUSES = st.sampled_from(Status)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
AGES = st.sampled_from([timedelta(seconds=10), timedelta(minutes=30), timedelta(hours=-1)])


def as_stored(amount: str | None) -> Decimal | None:
    """Return an amount as the sample table's columns keep it."""
    return None if amount is None else Decimal(amount).quantize(Decimal("1e-8"))


def some_facts(status: Status, executed: str, average: str | None) -> Facts:
    executed_qty = as_stored(executed)
    assert executed_qty is not None
    return Facts(status=status, executed_qty=executed_qty, avg_price=as_stored(average))


meetings = st.builds(
    Meeting,
    facts=st.builds(some_facts, STATUSES, AMOUNTS, AVERAGES),
    age=AGES,
    lag=st.sampled_from([timedelta(seconds=1), timedelta(minutes=5), timedelta(minutes=20)]),
    answer=st.one_of(
        st.builds(
            partial,
            st.just(a_report),
            status=st.none() | STATUSES,
            executed=AMOUNTS,
            average=AVERAGES,
            word=WORDS,
        ),
        st.just(an_absence),
        st.builds(partial, st.just(a_fault), detail=WORDS),
    ),
)


LONG_AGO = timedelta(hours=2)
FORGET = "DELETE FROM orders; DELETE FROM activity_log; DELETE FROM reconciliation_holds"
EIGHT_PLACES = DecimalPlaces(8)
POLICY = Policy(
    quantity_scale=EIGHT_PLACES,
    price_scale=EIGHT_PLACES,
    retention=Retention(unfilled=timedelta(days=90)),
)


@pytest.fixture
def writer(database: Database) -> OrderWriter:
    return a_writer(database)


@in_both
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batch=st.lists(meetings, min_size=1, max_size=8))
def test_the_rows_are_as_decided_for_any_answer(
    batch: list[Meeting], application: Application, database: Database, writer: OrderWriter
) -> None:
    application.execute(FORGET)
    now = now_of(database)
    meetings_by_id = dict(enumerate(batch, start=1))
    orders = {id_: meeting.order(id_, now) for id_, meeting in meetings_by_id.items()}
    answers: dict[OrderId, Answer] = {
        id_: meeting.answer(id_, fetched_at=now - meeting.lag)
        for id_, meeting in meetings_by_id.items()
    }
    for id_, order in orders.items():
        insert_order(application, id_, **columns_of(order), last_synced_at=now - LONG_AGO)

    with database.transaction() as connection:
        result = writer.apply(connection, answers)

    assert {outcome.order.id: outcome.decision for outcome in result.outcomes} == {
        id_: decide(order, answers[id_], now, POLICY) for id_, order in orders.items()
    }
    for outcome in result.outcomes:
        asked_at = answers[outcome.order.id].fetched_at
        assert_done(application, outcome.order, outcome.decision, asked_at=asked_at)


def columns_of(order: Order) -> dict[str, Any]:
    return {
        "status": order.facts.status.value,
        "executed_qty": order.facts.executed_qty,
        "avg_price": order.facts.avg_price,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def assert_done(
    application: Application, order: Order, decision: Decision, *, asked_at: datetime
) -> None:
    """Check that the row, the log and the hold are those of the decision, and no others."""
    row = read_row(application, order.id)
    hold = read_hold(application, order.id)
    entries = read_log(application, order.id)
    is_synced = row["last_synced_at"] == asked_at
    status, executed, average = facts_of(row)
    is_forgotten = Status(status).is_terminal and row["last_synced_at"] is None
    facts = Facts(status=Status(status), executed_qty=executed, avg_price=average)
    match decision:
        case Change(to=to, rule=rule):
            assert facts == to
            assert row["updated_at"] > asked_at
            assert [entry["details"]["rule"] for entry in entries] == [rule]
            assert (is_synced or is_forgotten, hold) == (True, None)
        case Confirm():
            assert facts == order.facts
            assert (is_synced, hold, entries) == (True, None, [])
        case Hold(reason=reason, detail=detail):
            assert facts == order.facts
            assert hold is not None
            assert (hold["reason"], hold["detail"]) == (reason, detail)
            assert (is_synced, entries) == (False, [])
        case Leave():
            assert facts == order.facts
            assert (is_synced, hold, entries) == (False, None, [])
        case _:
            assert_never(decision)
