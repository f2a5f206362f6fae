import pickle

import pytest

from reconciler.domain.decide import Confirm, Decision, Leave, Rule
from reconciler.domain.value import replace

from .builders import a_report, an_order, some_facts


def test_no_field_of_a_value_can_be_changed() -> None:
    facts = some_facts()

    with pytest.raises(AttributeError, match="immutable"):
        facts.executed_qty = 1  # type: ignore[misc, assignment] # what mypy refuses, Python does too


def test_values_with_the_same_fields_are_equal_and_hash_alike() -> None:
    assert an_order() == an_order()
    assert len({an_order(), an_order()}) == 1
    assert an_order() != an_order(absences=1)


def test_values_of_different_classes_are_never_equal() -> None:
    leave: Decision = Leave(rule=Rule.UNCHANGED)
    confirm: Decision = Confirm(rule=Rule.UNCHANGED)

    assert leave != confirm


def test_value_is_the_same_after_pickling() -> None:
    report = a_report()

    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301 - our own


def test_copy_with_a_changed_field_is_validated_again() -> None:
    order, report = an_order(), a_report()

    assert replace(order, absences=2) == an_order(absences=2)
    with pytest.raises(ValueError, match="executed_qty must be finite"):
        replace(report, executed_qty=-report.executed_qty - 1)


def test_the_repr_of_a_value_names_its_fields() -> None:
    shown = repr(some_facts())

    assert shown == "Facts(status=<Status.NEW: 'new'>, executed_qty=Decimal('0'), avg_price=None)"
