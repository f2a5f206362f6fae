"""Where to look first: at the first reason of the verdict."""

import pytest

from reconciler.console.where_to_look import PLACES, Place, first_place, troubles
from reconciler.telemetry.health import Grade, HealthRow, Slug


def _row(slug: Slug, grade: Grade) -> HealthRow:
    return HealthRow.of(slug, "value", grade)


def test_each_row_of_health_has_a_place() -> None:
    assert set(PLACES) == set(Slug)


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([], None),
        ([(Slug.OLDEST_STALE, Grade.HEALTHY)], None),
        ([(Slug.OLDEST_STALE, Grade.CRITICAL)], Place.CAPACITY),
        (
            [(Slug.OLDEST_STALE, Grade.CRITICAL), (Slug.PAUSE, Grade.WARNING)],
            Place.EXCHANGE,
        ),
        ([(Slug.BREAKERS, Grade.UNKNOWN), (Slug.HOLDS, Grade.WARNING)], Place.PERSON),
    ],
)
def test_without_a_verdict_a_cause_goes_before_a_symptom(
    rows: list[tuple[Slug, Grade]], place: Place | None
) -> None:
    found = troubles(tuple(_row(slug, grade) for slug, grade in rows), ())

    assert first_place(found) is place


def test_the_reasons_go_first_in_their_order_then_what_is_not_known() -> None:
    rows = (
        _row(Slug.BREAKERS, Grade.UNKNOWN),
        _row(Slug.ERRORS, Grade.WARNING),
        _row(Slug.LAST_RUN, Grade.CRITICAL),
        _row(Slug.PAUSE, Grade.WARNING),
    )
    reasons = (rows[3], rows[2])

    assert troubles(rows, reasons) == [rows[3], rows[2], rows[1], rows[0]]
