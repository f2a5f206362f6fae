"""The verdict: each row's limits, the worst row, and what only a person can fix."""

from dataclasses import fields, replace
from typing import Any

import pytest

from reconciler.telemetry.health import Grade, LastHour, Vitals, judge


def vitals_with(**changes: Any) -> Vitals:
    """Return healthy vitals with some values changed, also those of the last hour."""
    hour = LastHour(scanned=10_000, last_run_age_seconds=0.0, last_duration_ms=1000)
    names = {field.name for field in fields(LastHour)} & changes.keys()
    return Vitals(
        last_hour=replace(hour, **{name: changes.pop(name) for name in names}),
        **{
            "breakers_open": 0,
            "breakers_half_open": 0,
            "open_orders": 1000,
            "held_orders": 0,
            "parked": 0,
            **changes,
        },
    )


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, "healthy", None),
        ({"breakers_half_open": 1}, "warning", "breakers"),
        ({"breakers_half_open": 1, "breakers_open": 1}, "critical", "breakers"),
        ({"last_duration_ms": 9990}, "healthy", None),
        ({"last_duration_ms": 10000}, "warning", "cycle duration"),
        ({"last_duration_ms": 30000}, "warning", "cycle duration"),
        ({"last_duration_ms": 30010}, "critical", "cycle duration"),
        ({"discrepancies": 99}, "healthy", None),
        ({"discrepancies": 100}, "warning", "discrepancy rate"),
        ({"discrepancies": 500}, "warning", "discrepancy rate"),
        ({"discrepancies": 501}, "critical", "discrepancy rate"),
        ({"errors": 4}, "healthy", None),
        ({"errors": 5}, "warning", "errors"),
        ({"errors": 20}, "warning", "errors"),
        ({"errors": 21}, "critical", "errors"),
        ({"last_run_age_seconds": 60}, "healthy", None),
        ({"last_run_age_seconds": 60.01}, "warning", "last run"),
        ({"last_run_age_seconds": 300}, "warning", "last run"),
        ({"last_run_age_seconds": 300.01}, "critical", "last run"),
        ({"held_orders": 9}, "healthy", None),
        ({"held_orders": 10}, "warning", "orders on hold"),
        ({"held_orders": 100}, "warning", "orders on hold"),
        ({"held_orders": 101}, "critical", "orders on hold"),
        ({"open_orders": 0, "held_orders": 0}, "healthy", None),
        ({"open_orders": 0, "held_orders": 3}, "critical", "orders on hold"),
        ({"oldest_hold_age_seconds": 3600}, "healthy", None),
        ({"oldest_hold_age_seconds": 3601}, "warning", "oldest hold"),
        ({"oldest_hold_age_seconds": 86_400}, "warning", "oldest hold"),
        ({"oldest_hold_age_seconds": 86_401}, "critical", "oldest hold"),
        ({"halted": "41 of 50 vanished"}, "critical", "halt"),
        ({"blocked": "bad key"}, "critical", "exchange"),
        ({"parked": 1}, "critical", "shards"),
    ],
    ids=str,
)
def test_each_row_is_graded_as_in_the_table(
    changes: dict[str, Any], status: str, reason: str | None
) -> None:
    verdict = judge(vitals_with(**changes))

    assert verdict.status == status
    assert [row.name for row in verdict.reasons] == ([] if reason is None else [reason])


def test_worst_grade_is_the_verdict_and_its_rows_the_reasons() -> None:
    verdict = judge(vitals_with(breakers_half_open=1, errors=21, parked=2))

    assert verdict.status is Grade.CRITICAL
    assert [row.name for row in verdict.reasons] == ["errors", "shards"]


def test_unknown_values_make_no_row_in_the_verdict() -> None:
    verdict = judge(Vitals(last_hour=LastHour(last_run_age_seconds=5)))

    assert verdict.status is Grade.HEALTHY
    assert [row.name for row in verdict.rows] == ["discrepancy rate", "errors", "last run"]


def test_health_without_any_run_is_unknown_unless_a_row_is_critical() -> None:
    assert judge(Vitals()).status is Grade.UNKNOWN
    assert judge(Vitals()).reasons == ()
    assert judge(Vitals(halted="41 of 50 vanished")).status is Grade.CRITICAL


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"last_duration_ms": 9990}, "cycle duration", "9.99 s"),
        ({"last_duration_ms": 9999}, "cycle duration", "9.999 s"),
        ({"last_duration_ms": 10000}, "cycle duration", "10.0 s"),
        ({"last_duration_ms": 30000}, "cycle duration", "30.0 s"),
        ({"last_duration_ms": 30040}, "cycle duration", "30.04 s"),
        ({"discrepancies": 99}, "discrepancy rate", "0.99% of 10,000 orders in the last hour"),
        ({"discrepancies": 500}, "discrepancy rate", "5.0% of 10,000 orders in the last hour"),
        ({"discrepancies": 501}, "discrepancy rate", "5.01% of 10,000 orders in the last hour"),
        ({"last_run_age_seconds": 60.2}, "last run", "60.2 s ago"),
        ({"last_run_age_seconds": 60}, "last run", "60 s ago"),
        ({"last_run_age_seconds": 300.001}, "last run", "300.001 s ago"),
    ],
    ids=str,
)
def test_value_near_a_limit_is_shown_with_the_deciding_digit(
    changes: dict[str, Any], name: str, value: str
) -> None:
    (row,) = (row for row in judge(vitals_with(**changes)).rows if row.name == name)

    assert row.value == value


def test_first_sync_of_a_table_is_named_and_is_no_alarm() -> None:
    verdict = judge(
        vitals_with(
            scanned=2_100,
            discrepancies=1_680,
            first_sync_scanned=2_000,
            first_sync_discrepancies=1_680,
        )
    )

    assert verdict.status is Grade.HEALTHY
    assert next(row.value for row in verdict.rows if row.name == "discrepancy rate") == (
        "0.0% of 100 orders in the last hour;"
        " not counted is the first sync of this table: 1,680 of 2,000 differed"
    )


def test_discrepancies_after_the_first_sync_are_an_alarm() -> None:
    verdict = judge(
        vitals_with(
            scanned=2_100,
            discrepancies=1_690,
            first_sync_scanned=2_000,
            first_sync_discrepancies=1_680,
        )
    )

    assert [row.name for row in verdict.reasons] == ["discrepancy rate"]


@pytest.mark.parametrize(
    ("age", "grade", "shown"),
    [
        (0, Grade.HEALTHY, "unsynced for 0 s"),
        (599.9, Grade.HEALTHY, "unsynced for 599.9 s"),
        (600, Grade.WARNING, "unsynced for 600 s"),
        (1800, Grade.WARNING, "unsynced for 1800 s"),
        (1800.1, Grade.CRITICAL, "unsynced for 1800.1 s"),
    ],
)
def test_age_of_oldest_stale_order_is_compared_with_the_stale_time(
    age: float, grade: Grade, shown: str
) -> None:
    stale = {"stale_orders": 260, "oldest_stale_age_seconds": age, "stale_after_seconds": 300}

    verdict = judge(vitals_with(**stale))
    first = judge(vitals_with(**stale, is_first_sync=True))

    (row,) = [row for row in verdict.rows if row.name == "oldest stale order"]
    assert row.grade is grade
    assert row.value == f"{shown}, of 260 that are after 300 s"
    assert first.status is Grade.HEALTHY


def test_age_does_not_count_when_no_order_is_stale() -> None:
    vitals = vitals_with(stale_orders=0, oldest_stale_age_seconds=9999, stale_after_seconds=300)

    assert judge(vitals).status is Grade.HEALTHY


def test_what_a_shadow_finds_different_is_no_alarm_and_it_says_that_it_is_one() -> None:
    verdict = judge(vitals_with(discrepancies=9000, is_shadow=True))

    assert verdict.status is Grade.HEALTHY
    assert (verdict.rows[0].name, verdict.rows[0].value) == ("mode", "shadow: nothing is written")
    assert any(row.value.startswith("90.0% of 10,000") for row in verdict.rows)
    assert all(row.name != "mode" for row in judge(vitals_with()).rows)
