import pickle

import pytest

from reconciler.domain.decide import Confirm, Decision, Leave, Rule
from reconciler.domain.value import replace

from .builders import a_report, an_order, some_facts


def test_no_field_of_a_value_can_be_changed() -> None:
    facts = some_facts()

    with pytest.raises(AttributeError, match="immutable"):
        facts.executed_qty = 1  # type: ignore[misc, assignment] # what mypy refuses, Python does too


def test_values_of_one_kind_with_the_same_fields_are_equal_and_hash_alike() -> None:
    assert an_order() == an_order()
    assert len({an_order(), an_order()}) == 1
    assert an_order() != an_order(absences=1)


def test_values_of_two_kinds_are_never_equal() -> None:
    leave: Decision = Leave(rule=Rule.UNCHANGED)
    confirm: Decision = Confirm(rule=Rule.UNCHANGED)

    assert leave != confirm


def test_value_arrives_at_another_process_as_it_was() -> None:
    report = a_report()

    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301 - our own


def test_copy_with_another_field_is_looked_into_as_a_new_value_is() -> None:
    order, report = an_order(), a_report()

    assert replace(order, absences=2) == an_order(absences=2)
    with pytest.raises(ValueError, match="executed_qty must be finite"):
        replace(report, executed_qty=-report.executed_qty - 1)


def test_value_tells_its_fields_by_name() -> None:
    shown = repr(some_facts())

    assert shown == "Facts(status=<Status.NEW: 'new'>, executed_qty=Decimal('0'), avg_price=None)"
