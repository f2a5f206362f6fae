"""The verdict: each row's borders, the worst row, and what a person must hint."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.telemetry.health import Grade, Vitals, judge

WELL = Vitals(
    breakers_open=0,
    breakers_half_open=0,
    cycle_seconds=1.0,
    scanned=10_000,
    discrepancies=0,
    errors=0,
    last_run_age_seconds=0.0,
    parked=0,
)


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, "healthy", None),
        ({"breakers_half_open": 1}, "warning", "breakers"),
        ({"breakers_half_open": 1, "breakers_open": 1}, "critical", "breakers"),
        ({"cycle_seconds": 9.99}, "healthy", None),
        ({"cycle_seconds": 10}, "warning", "cycle duration"),
        ({"cycle_seconds": 30}, "warning", "cycle duration"),
        ({"cycle_seconds": 30.01}, "critical", "cycle duration"),
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
        ({"halted": "41 of 50 vanished"}, "critical", "halt"),
        ({"blocked": "bad key"}, "critical", "exchange"),
        ({"parked": 1}, "critical", "shards"),
    ],
    ids=str,
)
def test_each_row_is_graded_as_the_table_says(
    changes: dict[str, Any], status: str, reason: str | None
) -> None:
    verdict = judge(replace(WELL, **changes))

    assert verdict.status == status
    assert [row.name for row in verdict.reasons] == ([] if reason is None else [reason])


def test_the_worst_row_is_the_verdict_and_only_such_rows_are_its_reasons() -> None:
    verdict = judge(replace(WELL, breakers_half_open=1, errors=21, parked=2))

    assert verdict.status is Grade.CRITICAL
    assert [row.name for row in verdict.reasons] == ["errors", "shards"]


def test_what_is_not_known_makes_no_row() -> None:
    verdict = judge(Vitals(last_run_age_seconds=5))

    assert verdict.status is Grade.HEALTHY
    assert [row.name for row in verdict.rows] == ["discrepancy rate", "errors", "last run"]


def test_without_any_run_it_is_unknown_unless_something_is_known_to_be_ill() -> None:
    assert judge(Vitals()).status is Grade.UNKNOWN
    assert judge(Vitals()).reasons == ()
    assert judge(Vitals(halted="41 of 50 vanished")).status is Grade.CRITICAL
