"""The verdict: each row's limits, the worst row, and what only a person can fix."""

from dataclasses import fields, replace
from typing import Any

import pytest

from reconciler.telemetry.health import Grade, HostState, LastHour, Slug, Vitals, judge


def vitals_with(**changes: Any) -> Vitals:
    """Return healthy vitals with some values changed, also of the last hour and of the host."""
    hour = LastHour(scanned=10_000, weight=500, last_run_age_seconds=0.0, slowest_duration_ms=1000)
    host = HostState(host="trading-1", instance="aa", shards=4, budget_per_minute=3000)
    of_hour = {field.name for field in fields(LastHour)} & changes.keys()
    of_host = {field.name for field in fields(HostState)} & changes.keys() - {"stale_after_seconds"}
    return Vitals(
        last_hour=replace(hour, **{name: changes.pop(name) for name in of_hour}),
        hosts=(replace(host, **{name: changes.pop(name) for name in of_host}),),
        **{"open_orders": 1000, "held_orders": 0, **changes},
    )


def value_of(slug: Slug, vitals: Vitals) -> str:
    """Return the value of a row."""
    return next(row.value for row in judge(vitals).rows if row.slug is slug)


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, "healthy", None),
        ({"breakers_half_open": 1}, "warning", "breakers"),
        ({"breakers_half_open": 1, "breakers_open": 1}, "critical", "breakers"),
        ({"slowest_duration_ms": 9990}, "healthy", None),
        ({"slowest_duration_ms": 10000}, "warning", "cycle duration"),
        ({"slowest_duration_ms": 30000}, "warning", "cycle duration"),
        ({"slowest_duration_ms": 30010}, "critical", "cycle duration"),
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
        ({"pause_seconds": 60}, "healthy", None),
        ({"pause_seconds": 60.1}, "warning", "rate-limit pause"),
        ({"pause_seconds": 250_000}, "warning", "rate-limit pause"),
        ({"halted": "41 of 50 vanished"}, "critical", "halt"),
        ({"account_fault": "bad key"}, "critical", "accounts"),
        ({"shards_parked": 1}, "warning", "shards"),
        ({"shards_parked": 4}, "critical", "shards"),
        ({"store_refusal": "no right"}, "critical", "database"),
        ({"store_away": "it does not answer"}, "warning", "database"),
        ({"exchange_fault": "it does not answer"}, "warning", "exchange"),
    ],
    ids=str,
)
def test_each_row_is_graded_as_in_the_table(
    changes: dict[str, Any], status: str, reason: str | None
) -> None:
    verdict = judge(vitals_with(**changes))

    assert verdict.status == status
    assert [row.name for row in verdict.reasons] == ([] if reason is None else [reason])


def test_worst_grade_is_the_verdict_and_its_rows_and_their_causes_the_reasons() -> None:
    verdict = judge(vitals_with(breakers_half_open=1, errors=21, shards_parked=4))

    assert verdict.status is Grade.CRITICAL
    assert [row.slug for row in verdict.reasons] == [Slug.BREAKERS, Slug.SHARDS, Slug.ERRORS]


def test_a_fault_that_has_opened_a_breaker_is_named_with_it() -> None:
    verdict = judge(vitals_with(breakers_open=2, exchange_fault="it does not answer"))

    assert [(row.slug, row.value) for row in verdict.reasons] == [
        (Slug.EXCHANGE, "it does not answer"),
        (Slug.BREAKERS, "2 open"),
    ]


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        (
            {"account_fault": "code -1022", "breakers_open": 2, "errors": 30},
            [Slug.ACCOUNTS, Slug.BREAKERS, Slug.ERRORS],
        ),
        ({"pause_seconds": 90, "last_run_age_seconds": 301}, [Slug.PAUSE, Slug.LAST_RUN]),
        ({"store_away": "it is away", "last_run_age_seconds": 301}, [Slug.DATABASE, Slug.LAST_RUN]),
        ({"errors": 6, "last_run_age_seconds": 301}, [Slug.LAST_RUN]),
    ],
    ids=["refused key", "banned", "database away", "a symptom of a lower grade"],
)
def test_a_cause_is_named_before_what_it_causes(
    changes: dict[str, Any], reasons: list[Slug]
) -> None:
    assert [row.slug for row in judge(vitals_with(**changes)).reasons] == reasons


def test_every_row_says_what_to_type_and_where_to_read_on() -> None:
    stale = {"stale_orders": 2, "oldest_stale_age_seconds": 1, "stale_after_seconds": 300}

    rows = judge(vitals_with(**stale, is_shadow=True)).rows

    assert [row.slug for row in rows] == [slug for slug in Slug if slug != "configuration"]
    assert {row.runbook for row in rows if row.slug is Slug.OLDEST_STALE} == {
        "incident-runbook.md#oldest-stale"
    }
    assert all(row.command.startswith("reconciler ") for row in rows)


def test_without_a_supervisor_its_rows_are_unknown_and_make_nothing_worse() -> None:
    verdict = judge(Vitals(last_hour=LastHour(last_run_age_seconds=5)))

    assert verdict.status is Grade.HEALTHY
    assert {row.slug for row in verdict.rows if row.grade is Grade.UNKNOWN} == {
        Slug.CYCLE_DURATION,
        Slug.BREAKERS,
        Slug.ACCOUNTS,
        Slug.SHARDS,
        Slug.EXCHANGE,
        Slug.SUPERVISOR,
    }


def test_health_without_any_run_is_unknown_unless_a_row_is_critical() -> None:
    never = judge(Vitals())

    assert never.status is Grade.UNKNOWN
    assert [row.value for row in never.reasons] == ["none runs", "no cycle has been recorded yet"]
    assert judge(Vitals(halted="41 of 50 vanished")).status is Grade.CRITICAL


@pytest.mark.parametrize(
    ("uptime", "grade"), [(60, Grade.HEALTHY), (61, Grade.WARNING), (301, Grade.CRITICAL)]
)
def test_before_the_first_cycle_the_time_since_the_start_counts(
    uptime: float, grade: Grade
) -> None:
    verdict = judge(vitals_with(last_run_age_seconds=None, uptime_seconds=uptime))

    assert verdict.status is grade


@pytest.mark.parametrize(
    ("stale", "changes", "grade", "says"),
    [
        (300_000, {}, Grade.HEALTHY, " set by RECONCILIATION_RATE_SHARE, can do 300,000 in 5 min"),
        (300_001, {}, Grade.WARNING, "can do 300,000 in 5 min; "),
        (300_001, {"is_first_sync": True}, Grade.HEALTHY, "; this is the first sync"),
        (300_001, {"scanned": 9, "weight": 9}, Grade.HEALTHY, "can do is not measured yet"),
        (300_001, {"weight": 0}, Grade.HEALTHY, "can do is not measured yet"),
        (
            300_001,
            {"scanned": 9, "planned_orders": 100, "planned_weight": 10},
            Grade.WARNING,
            "can do 150,000 in 5 min, by the plan",
        ),
        (300_001, {"budget_per_minute": None}, Grade.HEALTHY, "300,001 stale"),
    ],
    ids=[
        "just enough",
        "too many",
        "first sync",
        "too few measured",
        "no weight",
        "planned",
        "no limit",
    ],
)
def test_backlog_is_compared_with_what_the_budget_can_do_in_the_stale_time(
    stale: int, changes: dict[str, Any], grade: Grade, says: str
) -> None:
    waiting = {"stale_orders": stale, "oldest_stale_age_seconds": 1, "stale_after_seconds": 300}
    vitals = vitals_with(**waiting, **changes, open_orders=1_000_000)

    (row,) = [row for row in judge(vitals).rows if row.slug is Slug.BACKLOG]

    assert row.grade is grade
    assert says in row.value


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"slowest_duration_ms": 9990}, "cycle duration", "9.99 s, the slowest of the last hour"),
        ({"slowest_duration_ms": 9999}, "cycle duration", "9.999 s, the slowest of the last hour"),
        ({"slowest_duration_ms": 10000}, "cycle duration", "10 s, the slowest of the last hour"),
        ({"slowest_duration_ms": 30000}, "cycle duration", "30 s, the slowest of the last hour"),
        ({"slowest_duration_ms": 30040}, "cycle duration", "30.04 s, the slowest of the last hour"),
        ({"discrepancies": 99}, "discrepancy rate", "0.99% of 10,000 orders in the last hour"),
        ({"discrepancies": 500}, "discrepancy rate", "5% of 10,000 orders in the last hour"),
        ({"discrepancies": 501}, "discrepancy rate", "5.01% of 10,000 orders in the last hour"),
        ({"last_run_age_seconds": 60.2}, "last run", "1 min 0.2 s ago"),
        ({"last_run_age_seconds": 60}, "last run", "1 min ago"),
        ({"last_run_age_seconds": 112}, "last run", "1 min 52 s ago"),
        ({"oldest_hold_age_seconds": 20}, "oldest hold", "20 s old"),
        ({"oldest_hold_age_seconds": 86_400}, "oldest hold", "1 d old"),
        ({"oldest_hold_age_seconds": 86_401}, "oldest hold", "1 d 1 s old"),
        ({"oldest_hold_age_seconds": 100_000}, "oldest hold", "1 d 3 h old"),
        ({"held_orders": 0}, "orders on hold", "0 of 1,000 open orders (0%)"),
        (
            {"open_orders": 50_000, "held_orders": 9},
            "orders on hold",
            "9 of 50,000 open orders (<0.1%)",
        ),
        (
            {"pause_seconds": 0.3},
            "rate-limit pause",
            "the exchange wants no requests for 0.3 s",
        ),
        ({"last_run_age_seconds": 300.001}, "last run", "5 min 0.001 s ago"),
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
        "0% of 100 orders in the last hour;"
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
        (599.9, Grade.HEALTHY, "unsynced for 9 min 59.9 s"),
        (600, Grade.WARNING, "unsynced for 10 min"),
        (1800, Grade.WARNING, "unsynced for 30 min"),
        (1800.1, Grade.CRITICAL, "unsynced for 30 min 0.1 s"),
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
    assert row.value == f"{shown}, of 260 that are after 5 min"
    assert first.status is Grade.HEALTHY


def test_a_count_from_before_the_database_went_away_proves_nothing_good() -> None:
    counted = {"stale_orders": 0, "oldest_stale_age_seconds": 0, "stale_after_seconds": 300}
    old = {**counted, "counted_seconds_ago": 20, "store_away": "it does not answer"}

    vitals = vitals_with(**old, held_orders=200)
    grades = {row.slug: row.grade for row in judge(vitals).rows}

    assert value_of(Slug.OLDEST_STALE, vitals) == "none is stale, as counted 20 s ago"
    assert grades[Slug.OLDEST_STALE] is Grade.UNKNOWN
    assert grades[Slug.BACKLOG] is Grade.UNKNOWN
    assert grades[Slug.HOLDS] is Grade.CRITICAL
    assert value_of(Slug.OLDEST_STALE, vitals_with(**counted, counted_seconds_ago=20)) == (
        "none is stale"
    )


def test_first_sync_excuses_only_while_it_has_not_reached_every_stale_order() -> None:
    stale = {
        "stale_orders": 1593,
        "oldest_stale_age_seconds": 99,
        "stale_after_seconds": 6,
        "is_first_sync": True,
    }

    going_on = judge(vitals_with(**stale, unreached_orders=1))
    all_reached = judge(vitals_with(**stale, unreached_orders=0))
    over_since_they_were_counted = judge(
        vitals_with(**(stale | {"is_first_sync": False}), unreached_orders=1593)
    )

    assert going_on.status is Grade.HEALTHY
    assert over_since_they_were_counted.status is Grade.HEALTHY
    assert [(row.slug, row.value) for row in all_reached.reasons] == [
        (Slug.OLDEST_STALE, "unsynced for 1 min 39 s, of 1,593 that are after 6 s")
    ]


def test_age_does_not_count_when_no_order_is_stale() -> None:
    vitals = vitals_with(stale_orders=0, oldest_stale_age_seconds=9999, stale_after_seconds=300)

    assert judge(vitals).status is Grade.HEALTHY


def test_what_a_shadow_finds_different_is_no_alarm_and_it_says_that_it_is_one() -> None:
    verdict = judge(vitals_with(discrepancies=9000, is_shadow=True))

    assert verdict.status is Grade.HEALTHY
    assert (verdict.rows[0].name, verdict.rows[0].value) == ("mode", "shadow: nothing is written")
    assert any(row.value.startswith("90% of 10,000") for row in verdict.rows)
    assert all(row.name != "mode" for row in judge(vitals_with()).rows)
