"""Whose fault it is: what the page says of each reason, and in which order it names them."""

import pytest

from reconciler.console.hold_words import HOLD_WORDS
from reconciler.console.where_to_look import GUIDES, Fault, troubles
from reconciler.domain.decide import HoldReason
from reconciler.telemetry.health import Grade, HealthRow, Slug


def _row(slug: Slug, grade: Grade) -> HealthRow:
    return HealthRow.of(slug, "value", grade)


def test_each_row_of_health_has_a_guide_and_each_reason_of_a_hold_its_words() -> None:
    assert set(GUIDES) == set(Slug)
    assert set(HOLD_WORDS) == set(HoldReason)


@pytest.mark.parametrize(
    ("slug", "fault"),
    [
        (Slug.EXCHANGE, Fault.EXCHANGE),
        (Slug.PAUSE, Fault.LIMIT),
        (Slug.ACCOUNTS, Fault.KEY),
        (Slug.BACKLOG, Fault.SETTING),
        (Slug.SHARDS, Fault.PROCESS),
        (Slug.SUPERVISOR, Fault.PROCESS),
        (Slug.DATABASE, Fault.DATABASE),
        (Slug.HALT, Fault.DECISION),
        (Slug.HOLDS, Fault.DECISION),
    ],
)
def test_the_fault_is_attributed_to_who_can_end_it(slug: Slug, fault: Fault) -> None:
    assert GUIDES[slug].fault is fault


def test_the_reasons_go_first_in_their_order_then_what_is_not_known() -> None:
    rows = (
        _row(Slug.BREAKERS, Grade.UNKNOWN),
        _row(Slug.ERRORS, Grade.WARNING),
        _row(Slug.LAST_RUN, Grade.CRITICAL),
        _row(Slug.PAUSE, Grade.WARNING),
    )
    reasons = (rows[3], rows[2])

    assert troubles(rows, reasons) == [rows[3], rows[2], rows[1], rows[0]]


def test_without_reasons_a_cause_goes_before_a_symptom() -> None:
    rows = (_row(Slug.OLDEST_STALE, Grade.CRITICAL), _row(Slug.PAUSE, Grade.WARNING))

    assert troubles(rows, ()) == [rows[1], rows[0]]
