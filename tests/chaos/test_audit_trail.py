from decimal import Decimal

import pytest

from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from tests.chaos.audit_trail import AuditedChange, broken_chains, wrong_entries
from tests.chaos.change_recorder import RecordedChange

KEY = ("BTCUSDT", "1")


def facts(status: Status, executed: str = "0") -> Facts:
    return Facts(status=status, executed_qty=Decimal(executed), avg_price=None)


NEW, PART, FULL = facts(Status.NEW), facts(Status.PARTIAL, "1"), facts(Status.FILLED, "2")


def a_change(before: Facts, after: Facts, writer: str = "reconciler worker 0") -> RecordedChange:
    return RecordedChange(key=KEY, before=before, after=after, writer=writer)


def test_a_chain_of_changes_by_all_writers_is_whole() -> None:
    assert list(broken_chains([a_change(NEW, PART, "the application"), a_change(PART, FULL)])) == []


def test_a_change_that_was_not_recorded_breaks_the_chain() -> None:
    assert len(list(broken_chains([a_change(NEW, PART), a_change(NEW, FULL)]))) == 1


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        pytest.param([(KEY, NEW, PART)], None, id="once"),
        pytest.param([], "no entry", id="lost"),
        pytest.param([(KEY, NEW, PART)] * 2, "too many", id="doubled"),
    ],
)
def test_every_change_of_ours_has_one_entry(
    entries: list[AuditedChange], fault: str | None
) -> None:
    changes = [a_change(NEW, PART), a_change(PART, FULL, "the application")]

    found = list(wrong_entries(changes, entries))

    assert len(found) == (fault is not None)
    assert fault is None or fault in found[0]
