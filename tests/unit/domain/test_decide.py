"""The invariants of `decide` by number, then the accidents that it prevents."""

import dataclasses
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from reconciler.domain.binary_float import BinaryFloat
from reconciler.domain.column_scale import (
    NO_COLUMN,
    DecimalPlaces,
    FloatScale,
    RemainingScale,
)
from reconciler.domain.contradiction import ComparedColumn
from reconciler.domain.decide import (
    LONGEST_ANSWER_AGE,
    SUSPICIOUS,
    Change,
    Confirm,
    Decision,
    Hold,
    HoldReason,
    Leave,
    Policy,
    Rule,
)
from reconciler.domain.order import Order, Side
from reconciler.domain.report import Answer, Report
from reconciler.domain.retention import Retention
from reconciler.domain.status import OPEN, TERMINAL, Status
from reconciler.domain.value import replace

from .builders import (
    A_DAY_AGO,
    JUST_FETCHED,
    NOW,
    ORDER_ID,
    POLICY,
    a_fault,
    a_report,
    an_absence,
    an_archived,
    an_order,
    decided,
    some_facts,
    written,
)

PENDING, NEW, PARTIAL = Status.PENDING, Status.NEW, Status.PARTIAL
FILLED, CANCELED, REJECTED, EXPIRED = (
    Status.FILLED,
    Status.CANCELED,
    Status.REJECTED,
    Status.EXPIRED,
)
SECOND = timedelta(seconds=1)
UNFILLED_ENDS = [CANCELED, REJECTED, EXPIRED]


def held_for(decision: Decision) -> HoldReason | None:
    return decision.reason if isinstance(decision, Hold) else None


def detail_of(decision: Decision) -> str:
    return decision.detail if isinstance(decision, Hold) else ""


@pytest.mark.parametrize("status", Status)
def test_invariant_01_no_answer_changes_nothing(status: Status) -> None:
    assert decided(an_order(status), None) == Leave(rule=Rule.NO_ANSWER)


def test_invariant_01_answer_about_another_order_changes_nothing() -> None:
    report = a_report(FILLED, "1", "100", external_order_id="1")

    assert decided(an_order(), report) == Leave(rule=Rule.OTHER_ORDER)


def test_invariant_01_answer_about_another_symbol_changes_nothing() -> None:
    report = a_report(FILLED, "1", "100", symbol="ETHUSDT")

    assert decided(an_order(), report) == Leave(rule=Rule.OTHER_ORDER)


@pytest.mark.parametrize(
    ("status", "executed", "average"),
    [
        (PENDING, "0", None),
        (NEW, "0", None),
        (PARTIAL, "0.5", "100"),
        (FILLED, "1", "100"),
        (CANCELED, "0", None),
        (CANCELED, "0.5", "100"),
        (REJECTED, "0", None),
        (EXPIRED, "0.5", "100"),
    ],
)
def test_invariant_02_same_facts_are_only_confirmed(
    status: Status, executed: str, average: str | None
) -> None:
    order = an_order(status, executed, average)

    assert decided(order, a_report(status, executed, average)) == Confirm()


def test_invariant_02_same_number_written_otherwise_is_the_same_fact() -> None:
    order = an_order(PARTIAL, "0.50000000", "100.00000000")

    assert decided(order, a_report(PARTIAL, "0.5", "1E+2")) == Confirm()


def test_invariant_02_an_unrounded_number_is_the_same_fact() -> None:
    order = an_order(PARTIAL, "0.33333333", "66.66666667")
    report = a_report(PARTIAL, "0.333333333333", "66.666666666666")

    assert decided(order, report) == Confirm()


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (PENDING, NEW, Rule.STATUS_ADVANCED),
        (PENDING, CANCELED, Rule.ENDED),
        (PENDING, REJECTED, Rule.ENDED),
        (PENDING, EXPIRED, Rule.ENDED),
        (NEW, CANCELED, Rule.ENDED),
        (NEW, REJECTED, Rule.ENDED),
        (NEW, EXPIRED, Rule.ENDED),
    ],
)
def test_invariant_03_status_moves_forward(before: Status, after: Status, rule: Rule) -> None:
    assert decided(an_order(before), a_report(after)) == Change(to=some_facts(after), rule=rule)


@pytest.mark.parametrize("before", sorted(OPEN))
@pytest.mark.parametrize("after", sorted(TERMINAL | {PARTIAL}))
def test_invariant_03_fill_moves_the_status_forward(before: Status, after: Status) -> None:
    order = an_order(before, "0.5" if before is PARTIAL else "0")

    decision = decided(order, a_report(after, "0.75", "100"))

    assert isinstance(decision, Change)
    assert decision.to == some_facts(after, "0.75", "100")


@pytest.mark.parametrize(
    ("before", "reported"), [(NEW, PENDING), (PARTIAL, PENDING), (PARTIAL, NEW)]
)
def test_invariant_03_status_never_moves_back(before: Status, reported: Status) -> None:
    assert decided(an_order(before), a_report(reported)) == Confirm()


@pytest.mark.parametrize("ended", sorted(TERMINAL))
@pytest.mark.parametrize("reported", sorted(OPEN))
def test_invariant_03_ended_order_is_left_if_the_report_may_be_older(
    ended: Status, reported: Status
) -> None:
    order = an_order(ended, "1", "100", updated_at=None)

    assert decided(order, a_report(reported, "1", "100")) == Leave(rule=Rule.ALREADY_FINAL)


@pytest.mark.parametrize("ended", sorted(TERMINAL))
@pytest.mark.parametrize("reported", sorted(OPEN))
def test_invariant_03_ended_order_reported_open_is_held_not_reopened(
    ended: Status, reported: Status
) -> None:
    order = an_order(ended, "1", "100", updated_at=JUST_FETCHED - SECOND)

    assert held_for(decided(order, a_report(reported, "1", "100"))) is HoldReason.CONFLICT


@pytest.mark.parametrize("reported", sorted(Status))
@pytest.mark.parametrize("status", sorted(Status))
def test_invariant_04_quantity_never_shrinks(status: Status, reported: Status) -> None:
    order = an_order(status, "0.5", "100")

    decision = decided(order, a_report(reported, "0.49999999", "100"))

    assert isinstance(decision, Hold | Leave)


@pytest.mark.parametrize("reported", [PENDING, NEW, PARTIAL, FILLED, *UNFILLED_ENDS])
def test_invariant_04_report_that_would_shrink_the_quantity_is_held(reported: Status) -> None:
    order = an_order(PARTIAL, "0.5", "100")

    decision = decided(order, a_report(reported, "0.25", "100"))

    assert held_for(decision) is HoldReason.REGRESSION
    assert "0.5" in detail_of(decision)
    assert "0.25" in detail_of(decision)


def test_invariant_04_quantity_grows_with_the_report() -> None:
    order = an_order(PARTIAL, "0.5", "100")

    decision = decided(order, a_report(PARTIAL, "0.75", "101"))

    assert decision == Change(to=some_facts(PARTIAL, "0.75", "101"), rule=Rule.QUANTITY_GREW)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_invariant_04_same_end_with_a_fill_more_takes_the_fill(status: Status) -> None:
    order = an_order(status, "0.5", "100")

    decision = decided(order, a_report(status, "0.75", "101"))

    assert decision == Change(to=some_facts(status, "0.75", "101"), rule=Rule.QUANTITY_GREW)


def test_invariant_04_rounding_to_the_column_is_no_shrinking() -> None:
    order = an_order(PARTIAL, "0.13", "100")
    report = a_report(PARTIAL, "0.125", "100")
    policy = Policy(quantity_scale=DecimalPlaces(2), price_scale=DecimalPlaces(2))

    assert decided(order, report, policy=policy) == Confirm()


@pytest.mark.parametrize("status", [NEW, PARTIAL, FILLED, CANCELED])
def test_invariant_04_quantity_that_the_column_cannot_hold_is_held(status: Status) -> None:
    report = a_report(status, "0.000000000001", "100")

    decision = decided(an_order(), report)

    assert held_for(decision) is HoldReason.CONFLICT
    assert "decimal places" in detail_of(decision)


def test_invariant_04_quantities_of_many_digits_are_compared() -> None:
    before, after = "1" * 30 + ".00000001", "1" * 30 + ".00000002"

    decision = decided(an_order(PARTIAL, before, "1"), a_report(PARTIAL, after, "1"))

    assert decision == Change(to=some_facts(PARTIAL, after, "1"), rule=Rule.QUANTITY_GREW)


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(an_order(PARTIAL, "-1"), id="executed"),
        pytest.param(replace(an_order(NEW), qty=Decimal(-2)), id="ordered"),
    ],
)
def test_invariant_04_a_negative_amount_is_a_conflict_and_keeps_its_sign(order: Order) -> None:
    decision = decided(order, a_report(FILLED, "2", "100"))

    assert isinstance(decision, Hold)
    assert decision.reason is HoldReason.CONFLICT
    assert "negative" in decision.detail


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_invariant_04_row_without_a_number_is_held_for_a_person(number: str) -> None:
    by_quantity = decided(an_order(PARTIAL, number), a_report(PARTIAL, "0.5", "100"))
    by_average = decided(an_order(PARTIAL, "0.5", number), a_report(PARTIAL, "0.5"))

    assert held_for(by_quantity) is HoldReason.CONFLICT
    assert held_for(by_average) is HoldReason.CONFLICT


@pytest.mark.parametrize(("row", "reported"), list(permutations(sorted(TERMINAL), 2)))
@pytest.mark.parametrize("updated_at", [None, A_DAY_AGO], ids=["no_column", "older_write"])
def test_invariant_05_two_ends_that_disagree_are_held(
    row: Status, reported: Status, updated_at: datetime | None
) -> None:
    order = an_order(row, "0.5", "100", updated_at=updated_at)

    decision = decided(order, a_report(reported, "1", "100"))

    assert held_for(decision) is HoldReason.CONFLICT
    assert row.value in detail_of(decision)
    assert reported.value.upper() in detail_of(decision)


@pytest.mark.parametrize("end", UNFILLED_ENDS)
def test_invariant_06_end_keeps_a_partial_fill_and_its_average(end: Status) -> None:
    order = an_order(PARTIAL, "0.5", "100")

    decision = decided(order, a_report(end, "0.5", "100"))

    assert decision == Change(to=some_facts(end, "0.5", "100"), rule=Rule.ENDED)


@pytest.mark.parametrize("end", UNFILLED_ENDS)
def test_invariant_06_end_brings_a_partial_fill_that_the_row_missed(end: Status) -> None:
    decision = decided(an_order(NEW), a_report(end, "0.5", "100"))

    assert decision == Change(to=some_facts(end, "0.5", "100"), rule=Rule.ENDED)


@pytest.mark.parametrize("end", UNFILLED_ENDS)
def test_invariant_06_end_without_an_average_keeps_the_rows(end: Status) -> None:
    order = an_order(PARTIAL, "0.5", "100")

    decision = decided(order, a_report(end, "0.5"))

    assert decision == Change(to=some_facts(end, "0.5", "100"), rule=Rule.ENDED)


@pytest.mark.parametrize("row", sorted(OPEN))
@pytest.mark.parametrize("reported", sorted(OPEN))
def test_invariant_07_open_order_with_a_fill_is_partial(row: Status, reported: Status) -> None:
    decision = decided(an_order(row), a_report(reported, "0.5", "100"))

    assert isinstance(decision, Change)
    assert decision.to == some_facts(PARTIAL, "0.5", "100")


def test_invariant_07_open_row_with_a_fill_becomes_partial() -> None:
    decision = decided(an_order(NEW, "0.5", "100"), a_report(NEW, "0.5", "100"))

    assert decision == Change(to=some_facts(PARTIAL, "0.5", "100"), rule=Rule.STATUS_ADVANCED)


@pytest.mark.parametrize("row", [*sorted(OPEN), FILLED])
@pytest.mark.parametrize("reported", [PARTIAL, FILLED])
def test_invariant_07_fill_of_nothing_is_held(row: Status, reported: Status) -> None:
    decision = decided(an_order(row, updated_at=JUST_FETCHED), a_report(reported, "0", word="DONE"))

    assert held_for(decision) is HoldReason.CONFLICT
    assert "DONE" in detail_of(decision)


@pytest.mark.parametrize("row", [PENDING, NEW, PARTIAL])
@pytest.mark.parametrize("executed", ["0.4", "0.99", "0.998"])
def test_invariant_07_filled_with_less_than_was_ordered_is_held(row: Status, executed: str) -> None:
    report = a_report(FILLED, executed, "100", quantity="1")

    decision = decided(an_order(row), report)

    assert held_for(decision) is HoldReason.CONFLICT
    assert f"only {executed} of 1 executed" in detail_of(decision)


@pytest.mark.parametrize(
    ("executed", "quantity", "is_quote_sized"),
    [
        pytest.param("1", "1", False, id="all of it"),
        pytest.param("0.99999998", "1", False, id="Kraken's insignificant rest"),
        pytest.param("0.999", "1", False, id="the most dust"),
        pytest.param("0.4", None, False, id="the exchange does not say how much was ordered"),
        pytest.param("0.4", "100", True, id="ordered in quote currency"),
    ],
)
def test_invariant_07_filled_is_written_if_the_exchange_does_not_contradict_itself(
    executed: str, quantity: str | None, *, is_quote_sized: bool
) -> None:
    report = a_report(FILLED, executed, "100", quantity=quantity, is_quote_sized=is_quote_sized)

    decision = decided(an_order(PARTIAL, "0.4", "100"), report)

    assert decision == Change(to=some_facts(FILLED, executed, "100"), rule=Rule.ENDED)


def test_invariant_07_row_that_already_says_what_the_exchange_says_is_confirmed() -> None:
    report = a_report(FILLED, "0.4", "100", quantity="1")

    assert decided(an_order(FILLED, "0.4", "100"), report) == Confirm()


@pytest.mark.parametrize("status", [NEW, PARTIAL])
def test_invariant_07_open_order_of_which_all_is_executed_is_not_filled(status: Status) -> None:
    report = a_report(status, "1", "100", quantity="1")

    decision = decided(an_order(NEW), report)

    assert decision == Change(to=some_facts(PARTIAL, "1", "100"), rule=Rule.STATUS_ADVANCED)


def test_invariant_08_average_is_rounded_to_the_columns_scale() -> None:
    policy = Policy(quantity_scale=DecimalPlaces(8), price_scale=DecimalPlaces(2))

    decision = decided(an_order(), a_report(PARTIAL, "1", "66.665"), policy=policy)

    assert isinstance(decision, Change)
    assert str(decision.to.avg_price) == "66.67"


def test_invariant_08_quantity_is_rounded_to_the_columns_scale() -> None:
    policy = Policy(quantity_scale=DecimalPlaces(3), price_scale=DecimalPlaces(2))

    decision = decided(an_order(), a_report(PARTIAL, "0.0125", "1"), policy=policy)

    assert isinstance(decision, Change)
    assert str(decision.to.executed_qty) == "0.013"


def test_invariant_08_columns_without_a_scale_keep_every_digit() -> None:
    digits = "0." + "123456789" * 5

    decision = decided(an_order(), a_report(PARTIAL, digits, digits), policy=Policy())

    assert isinstance(decision, Change)
    assert decision.to == some_facts(PARTIAL, digits, digits)


@pytest.mark.parametrize("before", [None, "99"])
@pytest.mark.parametrize("unknown", [None, "0", "0.000000000001"])
def test_invariant_08_unknown_average_keeps_the_old_one(
    before: str | None, unknown: str | None
) -> None:
    order = an_order(PARTIAL, "0.5", before)

    decision = decided(order, a_report(PARTIAL, "0.75", unknown))

    assert decision == Change(to=some_facts(PARTIAL, "0.75", before), rule=Rule.QUANTITY_GREW)


def test_invariant_08_average_of_nothing_executed_is_not_taken() -> None:
    decision = decided(an_order(NEW), a_report(CANCELED, "0", "100"))

    assert decision == Change(to=some_facts(CANCELED, "0", None), rule=Rule.ENDED)


def test_invariant_08_wrong_average_is_corrected() -> None:
    decision = decided(an_order(PARTIAL, "0.5", "99"), a_report(PARTIAL, "0.5", "100"))

    assert decision == Change(to=some_facts(PARTIAL, "0.5", "100"), rule=Rule.PRICE_CORRECTED)


def test_invariant_08_missing_average_is_filled_in() -> None:
    decision = decided(an_order(FILLED, "0.5", None), a_report(FILLED, "0.5", "100"))

    assert decision == Change(to=some_facts(FILLED, "0.5", "100"), rule=Rule.PRICE_CORRECTED)


@pytest.mark.parametrize("status", sorted(OPEN))
@pytest.mark.parametrize(
    ("age_when_asked", "rule_or_reason"),
    [
        (timedelta(0), Rule.JUST_PLACED),
        (POLICY.placement_grace - SECOND, Rule.JUST_PLACED),
        (POLICY.placement_grace, HoldReason.NOT_FOUND),
        (timedelta(days=1), HoldReason.NOT_FOUND),
        (timedelta(days=100), HoldReason.NOT_FOUND),
    ],
    ids=["at_once", "inside_the_grace", "after_the_grace", "a_day_later", "beyond_the_horizon"],
)
def test_invariant_09_not_found_is_graded_by_age(
    status: Status, age_when_asked: timedelta, rule_or_reason: Rule | HoldReason
) -> None:
    order = an_order(status, created_at=JUST_FETCHED - age_when_asked)

    decision = decided(order, an_absence())

    assert isinstance(decision, Hold | Leave)
    assert (decision.rule if isinstance(decision, Leave) else decision.reason) is rule_or_reason


def test_invariant_09_grace_is_measured_when_the_exchange_was_asked() -> None:
    order = an_order(created_at=NOW - timedelta(minutes=10))
    asked_at_once = an_absence(fetched_at=NOW - timedelta(minutes=9, seconds=59))

    assert decided(order, asked_at_once) == Leave(rule=Rule.JUST_PLACED)


def test_invariant_09_creation_far_in_the_future_is_not_just_placed() -> None:
    order = an_order(created_at=NOW + timedelta(hours=2))

    assert held_for(decided(order, an_absence())) is HoldReason.NOT_FOUND


def test_invariant_09_creation_slightly_in_the_future_is_just_placed() -> None:
    order = an_order(created_at=NOW + SECOND)

    assert decided(order, an_absence()) == Leave(rule=Rule.JUST_PLACED)


def test_invariant_09_unknown_age_counts_as_inside_the_horizon() -> None:
    decision = decided(an_order(created_at=None), an_absence())

    assert "1 of 3" in detail_of(decision)


def test_invariant_09_not_found_beyond_the_horizon_proves_nothing() -> None:
    order = an_order(created_at=NOW - timedelta(days=90, seconds=1), absences=7)

    assert "proves nothing" in detail_of(decided(order, an_absence()))


def test_invariant_09_not_found_at_the_horizon_is_still_counted() -> None:
    order = an_order(created_at=NOW - timedelta(days=90), absences=1)

    assert "2 of 3" in detail_of(decided(order, an_absence()))


def test_invariant_09_exchange_that_never_forgets_has_no_horizon() -> None:
    order = an_order(created_at=NOW - timedelta(days=9000))

    assert "1 of 3" in detail_of(decided(order, an_absence(), policy=Policy()))


@pytest.mark.parametrize(
    ("executed", "age", "expected"),
    [
        ("0", timedelta(hours=3), "nothing executed (2 h): that proves nothing"),
        ("0", timedelta(hours=1), "1 of 3"),
        ("0.5", timedelta(hours=3), "1 of 3"),
        ("0.5", timedelta(days=91), "remembers ended orders: that proves nothing"),
    ],
)
def test_invariant_09_horizon_depends_on_what_was_executed(
    executed: str, age: timedelta, expected: str
) -> None:
    forgets = Retention(unfilled=timedelta(hours=2), filled=timedelta(days=90))
    order = an_order(PARTIAL if Decimal(executed) else NEW, executed, created_at=NOW - age)

    decision = decided(order, an_absence(), policy=Policy(retention=forgets))

    assert held_for(decision) is HoldReason.NOT_FOUND
    assert expected in detail_of(decision)


@pytest.mark.parametrize(
    ("unfilled", "filled", "of_unfilled"), [(None, 7, 7), (2, None, 2), (2, 7, 2), (9, 7, 7)]
)
def test_invariant_09_order_with_nothing_executed_may_have_been_filled_since(
    unfilled: int | None, filled: int | None, of_unfilled: int
) -> None:
    days = {one: None if one is None else timedelta(days=one) for one in (unfilled, filled)}
    retention = Retention(unfilled=days[unfilled], filled=days[filled])

    assert retention.horizon(is_filled=False) == timedelta(days=of_unfilled)
    assert retention.horizon(is_filled=True) == days[filled]


@pytest.mark.parametrize(
    ("absences", "expected"),
    [(0, "1 of 3"), (1, "2 of 3"), (2, "3 times in a row"), (9, "10 times in a row")],
)
def test_invariant_09_not_found_is_counted_until_a_person_must_look(
    absences: int, expected: str
) -> None:
    assert expected in detail_of(decided(an_order(absences=absences), an_absence()))


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_invariant_09_not_found_says_nothing_of_an_ended_order(status: Status) -> None:
    assert decided(an_order(status), an_absence()) == Leave(rule=Rule.ALREADY_FINAL)


BEYOND_THE_ARCHIVE = NOW - timedelta(days=90, seconds=2)


@pytest.mark.parametrize("status", sorted(OPEN))
def test_invariant_09_archived_order_that_is_old_enough_has_ended(status: Status) -> None:
    decision = decided(an_order(status, created_at=BEYOND_THE_ARCHIVE), an_archived())

    assert decision == Change(to=some_facts(CANCELED, "0", None), rule=Rule.ARCHIVED)


@pytest.mark.parametrize(
    "created_at",
    [
        pytest.param(NOW, id="just placed"),
        pytest.param(NOW - timedelta(minutes=10), id="ten minutes old"),
        pytest.param(NOW - timedelta(days=89), id="89 days old"),
        pytest.param(JUST_FETCHED - timedelta(days=90), id="90 days old when asked"),
        pytest.param(NOW + timedelta(days=400), id="not yet created"),
        pytest.param(None, id="unknown creation"),
    ],
)
@pytest.mark.parametrize("status", sorted(OPEN))
def test_invariant_09_archived_order_that_is_younger_is_held(
    status: Status, created_at: datetime | None
) -> None:
    decision = decided(an_order(status, created_at=created_at), an_archived())

    assert held_for(decision) is HoldReason.NOT_FOUND
    assert "archived" in detail_of(decision)


def test_invariant_09_archived_order_without_a_retention_is_held() -> None:
    order = an_order(created_at=NOW - timedelta(days=9000))

    assert held_for(decided(order, an_archived(), policy=Policy())) is HoldReason.NOT_FOUND


def test_invariant_09_archived_order_with_a_fill_in_the_row_is_held() -> None:
    order = an_order(PARTIAL, "0.5", "100", created_at=BEYOND_THE_ARCHIVE)

    assert held_for(decided(order, an_archived())) is HoldReason.CONFLICT


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_invariant_09_archive_says_nothing_of_an_ended_row(status: Status) -> None:
    order = an_order(status, created_at=BEYOND_THE_ARCHIVE)

    assert decided(order, an_archived()) == Leave(rule=Rule.ALREADY_FINAL)


@pytest.mark.parametrize("status", sorted(Status))
def test_invariant_10_unknown_word_changes_nothing_and_is_shown(status: Status) -> None:
    report = a_report(status=None, word="HALTED", executed="5", average="100")

    decision = decided(an_order(status), report)

    assert held_for(decision) is HoldReason.UNKNOWN_STATUS
    assert "HALTED" in detail_of(decision)


@pytest.mark.parametrize(
    "answer",
    [
        a_report(FILLED, "1", "100"),
        a_report(status=None, word="HALTED"),
        an_absence(),
        a_fault(),
    ],
    ids=["report", "unknown_word", "absence", "unanswerable"],
)
def test_invariant_11_answer_older_than_the_latest_write_is_stale(
    answer: Answer,
) -> None:
    order = an_order(updated_at=JUST_FETCHED + timedelta(microseconds=1))

    assert decided(order, answer) == Leave(rule=Rule.STALE_REPORT)


@pytest.mark.parametrize(
    "updated_at",
    [None, A_DAY_AGO, JUST_FETCHED],
    ids=["no_column", "older_write", "write_as_it_was_asked"],
)
def test_invariant_11_answer_as_new_as_the_latest_write_counts(
    updated_at: datetime | None,
) -> None:
    decision = decided(an_order(updated_at=updated_at), a_report(FILLED, "1", "100"))

    assert isinstance(decision, Change)


def test_invariant_11_write_at_this_moment_makes_the_report_stale() -> None:
    order = an_order(updated_at=NOW)

    assert decided(order, a_report(FILLED, "1", "100")) == Leave(rule=Rule.STALE_REPORT)


def test_invariant_11_write_time_in_the_future_stops_no_progress() -> None:
    order = an_order(updated_at=NOW + timedelta(hours=2))

    assert isinstance(decided(order, a_report(FILLED, "1", "100")), Change)


def test_invariant_11_write_time_in_the_future_proves_nothing_newer() -> None:
    order = an_order(FILLED, "1", "100", updated_at=NOW + timedelta(hours=2))

    assert decided(order, a_report(NEW)) == Leave(rule=Rule.ALREADY_FINAL)


@pytest.mark.parametrize("age", [LONGEST_ANSWER_AGE + SECOND, timedelta(hours=3)], ids=str)
@pytest.mark.parametrize("answer", [a_report(FILLED, "1"), an_absence(), an_archived(), a_fault()])
def test_invariant_11_answer_that_waited_too_long_is_stale(answer: Answer, age: timedelta) -> None:
    old = replace(answer, fetched_at=NOW - age)

    assert decided(an_order(), old) == Leave(rule=Rule.STALE_REPORT)


def test_invariant_11_answer_that_waited_a_while_counts() -> None:
    report = a_report(FILLED, "1", "100", fetched_at=NOW - LONGEST_ANSWER_AGE)

    assert isinstance(decided(an_order(), report), Change)


@pytest.mark.parametrize(
    "report",
    [
        a_report(NEW),
        a_report(NEW, "0.5", "100"),
        a_report(PARTIAL, "0.333333333333", "66.666666666666"),
        a_report(FILLED, "1", "100"),
        a_report(CANCELED, "0.5"),
        a_report(REJECTED),
    ],
    ids=lambda report: f"{report.word}_{report.executed_qty}",
)
def test_invariant_12_second_decision_on_a_report_only_confirms(report: Report) -> None:
    order = an_order(PENDING)
    after = written(order, decided(order, report))

    assert decided(after, report) == Confirm()


@pytest.mark.parametrize(
    "arrival", list(permutations(range(4))), ids=lambda arrival: "".join(map(str, arrival))
)
def test_invariant_12_reports_in_any_order_end_in_the_same_row(arrival: tuple[int, ...]) -> None:
    life = [
        a_report(NEW),
        a_report(PARTIAL, "0.5", "100"),
        a_report(PARTIAL, "0.75", "101"),
        a_report(CANCELED, "0.75", "101"),
    ]
    order = an_order(PENDING)

    for turn in arrival:
        order = written(order, decided(order, life[turn]))

    assert order.facts == some_facts(CANCELED, "0.75", "101")


def an_order_with_all_columns(**fields: object) -> Order:
    """A row with every optional column filled; `fields` replace values."""
    order = an_order(qty="0.5", side=Side.BUY, client_order_id="mine-1", created_at=A_DAY_AGO)
    return replace(order, **fields)


def a_report_of_the_same_order(**fields: object) -> Report:
    """The exchange's report of the same order, filled; `fields` replace values."""
    report = a_report(
        FILLED,
        "0.5",
        "100",
        quantity="0.5",
        side=Side.BUY,
        client_order_id="mine-1",
        placed_at=A_DAY_AGO,
    )
    return replace(report, **fields)


@pytest.mark.parametrize(
    ("fields", "both_sides"),
    [
        pytest.param(
            {"executed_qty": Decimal(4), "quantity": Decimal(4)},
            ("4 executed", "qty 0.5"),
            id="more executed",
        ),
        pytest.param(
            {"executed_qty": Decimal("0.50000001"), "quantity": Decimal(1)},
            ("0.50000001 executed", "qty 0.5"),
            id="a little more executed",
        ),
        pytest.param({"side": Side.SELL}, ("sell", "buy"), id="the other side"),
        pytest.param({"client_order_id": "other"}, ("'other'", "'mine-1'"), id="another client id"),
        pytest.param(
            {"placed_at": NOW - timedelta(hours=1), "client_order_id": None},
            None,
            id="placed within a day",
        ),
        pytest.param(
            {"placed_at": A_DAY_AGO + timedelta(days=1, seconds=1)},
            ("2026-11-24", "2026-11-23"),
            id="placed long after",
        ),
        pytest.param(
            {
                "placed_at": A_DAY_AGO - timedelta(days=40),
                "quantity": Decimal(2),
                "client_order_id": None,
            },
            ("2026-10-14", "2026-11-23"),
            id="placed long before, of another quantity",
        ),
    ],
)
@pytest.mark.parametrize("status", sorted(OPEN))
def test_invariant_13_report_of_another_order_is_held_with_both_sides(
    status: Status, fields: dict[str, object], both_sides: tuple[str, str] | None
) -> None:
    order = an_order_with_all_columns(facts=some_facts(status))

    decision = decided(order, a_report_of_the_same_order(**fields))

    if both_sides is None:
        assert isinstance(decision, Change)
    else:
        assert held_for(decision) is HoldReason.CONFLICT
        assert all(side in detail_of(decision) for side in both_sides)


def test_invariant_13_contradiction_is_suspicious() -> None:
    assert HoldReason.CONFLICT in SUSPICIOUS


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"qty": None}, id="no quantity"),
        pytest.param({"qty": Decimal(0)}, id="quantity of zero"),
        pytest.param({"qty": Decimal("NaN")}, id="quantity that is no number"),
        pytest.param({"qty": Decimal("Infinity")}, id="endless quantity"),
        pytest.param({"side": None, "client_order_id": None, "created_at": None}, id="nothing"),
        pytest.param({"client_order_id": ""}, id="empty client id"),
    ],
)
def test_invariant_13_what_the_row_does_not_know_contradicts_nothing(
    fields: dict[str, object],
) -> None:
    assert isinstance(
        decided(an_order_with_all_columns(**fields), a_report_of_the_same_order()), Change
    )


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            {"is_quote_sized": True, "quantity": None, "executed_qty": Decimal(400)},
            id="sized in quote currency",
        ),
        pytest.param(
            {"quantity": Decimal("0.2"), "executed_qty": Decimal("0.2"), "client_order_id": "new"},
            id="amended to less, under a new client id",
        ),
        pytest.param(
            {"quantity": Decimal("0.2"), "executed_qty": Decimal("0.2")}, id="amended to less"
        ),
        pytest.param({"side": None, "client_order_id": None, "placed_at": None}, id="unknown"),
        pytest.param(
            {"placed_at": A_DAY_AGO - timedelta(days=40), "client_order_id": None},
            id="imported: placed long before the row, of its quantity",
        ),
        pytest.param(
            {"placed_at": A_DAY_AGO - timedelta(days=40), "quantity": None},
            id="imported: placed long before the row, under its client id",
        ),
    ],
)
def test_invariant_13_what_has_an_explanation_contradicts_nothing(
    fields: dict[str, object],
) -> None:
    decision = decided(an_order_with_all_columns(), a_report_of_the_same_order(**fields))

    assert isinstance(decision, Change)


def test_invariant_13_client_id_must_match_if_nothing_was_amended() -> None:
    report = a_report_of_the_same_order(client_order_id="other", quantity=Decimal("0.6"))

    assert held_for(decided(an_order_with_all_columns(), report)) is HoldReason.CONFLICT


def test_invariant_13_rounded_quantity_is_no_contradiction() -> None:
    order = an_order_with_all_columns(qty=Decimal("0.33"))
    report = a_report_of_the_same_order(executed_qty=Decimal("0.333"), quantity=Decimal("0.333"))

    assert held_for(decided(order, report)) is HoldReason.CONFLICT
    assert isinstance(decided(order, report, policy=replace_scale(2)), Change)


@pytest.mark.parametrize("comparison", ComparedColumn)
def test_invariant_13_what_is_not_to_be_compared_contradicts_nothing(
    comparison: ComparedColumn,
) -> None:
    report = a_report_of_the_same_order(
        executed_qty=Decimal(4),
        quantity=Decimal(4),
        side=Side.SELL,
        client_order_id="other",
        placed_at=NOW + timedelta(days=40),
    )
    policy = Policy(compared=frozenset({comparison}))

    detail = detail_of(decided(an_order_with_all_columns(), report, policy=policy))

    assert detail.count("the exchange has") + detail.count("the exchange's was") == 1


@pytest.mark.parametrize("scale", BinaryFloat)
def test_average_in_a_float_column_is_only_confirmed_the_second_time(scale: BinaryFloat) -> None:
    policy = Policy(price_scale=FloatScale(scale))
    report = a_report(FILLED, "3", str(Decimal(100) / 3))

    first = decided(an_order(), report, policy=policy)
    second = decided(written(an_order(), first), report, policy=policy)

    assert isinstance(first, Change)
    assert second == Confirm()


DOUBLE = FloatScale(BinaryFloat.DOUBLE)
LEFT_AS_DOUBLE = Policy(quantity_scale=RemainingScale(DOUBLE), ordered_scale=DOUBLE)
LEFT_AS_NUMERIC = Policy(quantity_scale=RemainingScale(DecimalPlaces(8)))


@pytest.mark.parametrize("executed", ["0.30000000000000004", "0.3", "0.29999999999999993"])
def test_quantity_and_average_that_differ_by_float_errors_are_confirmed(executed: str) -> None:
    order = an_order(PARTIAL, executed, "33.333333333333329", qty="1")
    policy = Policy(quantity_scale=DOUBLE, price_scale=DOUBLE)

    assert decided(order, a_report(PARTIAL, "0.3", "33.33333333333333"), policy=policy) == Confirm()


@pytest.mark.parametrize("policy", [Policy(quantity_scale=DOUBLE), LEFT_AS_DOUBLE])
@pytest.mark.parametrize("dust", ["1E-20", "-1E-20", "5.551115123125783E-17"])
def test_dust_of_float_sums_is_nothing_executed(dust: str, policy: Policy) -> None:
    order = an_order(NEW, dust, qty="1", created_at=NOW - timedelta(days=91))
    forgets = replace_retention(policy)

    assert decided(order, a_report(NEW), policy=policy) == Confirm()
    assert decided(order, a_report(CANCELED), policy=policy) == Change(
        to=some_facts(CANCELED, max(dust, "0", key=Decimal)), rule=Rule.ENDED
    )
    assert decided(order, an_archived(), policy=forgets) == Change(
        to=some_facts(CANCELED, dust), rule=Rule.ARCHIVED
    )


def test_order_that_ends_gets_the_exact_quantity_where_float_errors_lost_some() -> None:
    order = an_order(PARTIAL, "0.9999999999999999", qty="1")

    decision = decided(order, a_report(FILLED, "1"), policy=LEFT_AS_DOUBLE)

    assert decision == Change(to=some_facts(FILLED, "1"), rule=Rule.ENDED)


@pytest.mark.parametrize("qty", [None, "0", "-1"])
def test_row_without_a_quantity_is_confirmed_but_what_remains_of_it_never_written(
    qty: str | None,
) -> None:
    order = an_order(NEW, qty=qty, created_at=NOW - timedelta(days=91))
    policy = replace_retention(LEFT_AS_NUMERIC)

    decisions = [
        decided(order, answer, policy=policy)
        for answer in (a_report(PARTIAL, "0.5"), a_report(CANCELED), an_archived())
    ]

    assert decided(order, a_report(NEW), policy=policy) == Confirm()
    assert [held_for(decision) for decision in decisions] == [HoldReason.CONFLICT] * 3
    assert "no qty" in detail_of(decisions[0])


@pytest.mark.parametrize(("quantity", "is_held"), [(None, True), ("0.002", True), ("100", False)])
def test_what_remains_of_an_amount_of_quote_currency_is_never_written(
    quantity: str | None, *, is_held: bool
) -> None:
    report = a_report(FILLED, "0.002", "50000", quantity=quantity, is_quote_sized=True)

    decision = decided(an_order(qty="100"), report, policy=LEFT_AS_NUMERIC)

    assert isinstance(decision, Hold if is_held else Change)


def test_average_without_a_column_is_none_before_and_after() -> None:
    policy = Policy(price_scale=NO_COLUMN)

    first = decided(an_order(), a_report(FILLED, "1", "100"), policy=policy)

    assert first == Change(to=some_facts(FILLED, "1"), rule=Rule.ENDED)
    assert decided(written(an_order(), first), a_report(FILLED, "1", "99"), policy=policy) == (
        Confirm()
    )


@pytest.mark.parametrize("qty", ["0.30000000000000004", "0.29999999999999993"])
def test_quantity_ordered_that_differs_by_float_errors_contradicts_nothing(qty: str) -> None:
    order = an_order(qty=qty, client_order_id="mine")
    policy = Policy(ordered_scale=DOUBLE)
    report = a_report(FILLED, "0.3", quantity="0.3", client_order_id="other")

    # No amendment that would explain another client id; and nothing more executed than ordered.
    assert "client id" in detail_of(decided(order, report, policy=policy))
    assert "qty" not in detail_of(decided(order, report, policy=policy))


def replace_retention(policy: Policy) -> Policy:
    return dataclasses.replace(policy, retention=Retention(unfilled=timedelta(days=90)))


def replace_scale(places: int) -> Policy:
    return Policy(ordered_scale=DecimalPlaces(places))


def test_accident_errors_as_not_found_declare_no_live_order_lost() -> None:
    orders = [an_order(NEW, absences=99), an_order(PARTIAL, "0.5", "100", absences=99)]

    decisions = [decided(order, None) for order in orders]

    assert decisions == [Leave(rule=Rule.NO_ANSWER)] * 2


def test_accident_order_not_found_right_after_placement_is_left() -> None:
    order = an_order(created_at=JUST_FETCHED - 10 * SECOND)

    assert decided(order, an_absence()) == Leave(rule=Rule.JUST_PLACED)


def test_accident_filled_order_past_the_horizon_is_not_written_off() -> None:
    order = an_order(PARTIAL, "0.5", "100", created_at=NOW - timedelta(days=91))

    decision = decided(order, an_absence())

    assert written(order, decision) == order
    assert held_for(decision) is HoldReason.NOT_FOUND


def test_accident_unknown_status_of_one_row_aborts_no_batch() -> None:
    reports = [
        a_report(FILLED, "1", "100"),
        a_report(status=None, word="HALTED"),
        a_report(CANCELED),
    ]

    decisions = [decided(an_order(), report) for report in reports]

    assert [type(decision) for decision in decisions] == [Change, Hold, Change]


def test_accident_number_that_is_none_in_one_row_aborts_no_batch() -> None:
    orders = [an_order(PARTIAL, "NaN"), an_order(PARTIAL, "0.5", "100")]

    decisions = [decided(order, a_report(FILLED, "1", "100")) for order in orders]

    assert [type(decision) for decision in decisions] == [Hold, Change]


def test_accident_canceled_order_keeps_its_partial_fill() -> None:
    decision = decided(an_order(NEW), a_report(CANCELED, "0.4", "101.5"))

    assert decision == Change(to=some_facts(CANCELED, "0.4", "101.5"), rule=Rule.ENDED)


def test_accident_canceled_word_without_the_fill_does_not_erase_it() -> None:
    order = an_order(PARTIAL, "0.4", "101.5")

    assert held_for(decided(order, a_report(CANCELED, "0"))) is HoldReason.REGRESSION


def test_accident_late_answer_reopens_no_finished_order() -> None:
    finished = an_order(FILLED, "1", "100", updated_at=NOW - SECOND)
    late = a_report(PARTIAL, "0.5", "100", fetched_at=NOW - 5 * SECOND)

    assert decided(finished, late) == Leave(rule=Rule.STALE_REPORT)


def test_accident_fill_without_an_average_books_no_price_at_all() -> None:
    decision = decided(an_order(NEW), a_report(FILLED, "1", average=None))

    assert decision == Change(to=some_facts(FILLED, "1", None), rule=Rule.ENDED)


def test_accident_fill_reported_again_after_a_restart_is_booked_once() -> None:
    report = a_report(PARTIAL, "0.5", "100")

    first = decided(an_order(NEW), report)
    second = decided(an_order(PARTIAL, "0.5", "100"), report)

    assert isinstance(first, Change)
    assert first.to.executed_qty == Decimal("0.5")
    assert second == Confirm()


def test_accident_order_id_that_lost_digits_is_another_order() -> None:
    mangled = a_report(FILLED, "1", "100", external_order_id=str(int(float(ORDER_ID))))

    assert decided(an_order(), mangled) == Leave(rule=Rule.OTHER_ORDER)


def test_accident_wrong_account_that_finds_no_order_changes_none() -> None:
    orders = [an_order(status, absences=99) for status in sorted(OPEN)]

    decisions = [decided(order, an_absence()) for order in orders]

    assert {held_for(decision) for decision in decisions} == {HoldReason.NOT_FOUND}
    assert "right account" in detail_of(decisions[0])


def test_accident_order_of_a_wrong_symbol_leaves_the_queue_head() -> None:
    decision = decided(an_order(), a_fault("no such symbol"))

    assert decision == Hold(reason=HoldReason.ERROR, detail="no such symbol")


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_accident_order_fault_holds_no_ended_order(status: Status) -> None:
    assert decided(an_order(status), a_fault()) == Leave(rule=Rule.ALREADY_FINAL)
