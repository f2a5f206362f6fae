"""Several supervisors of one table are judged as one, also when some are gone without a stop."""

from dataclasses import replace
from itertools import permutations

import pytest

from reconciler.formatting import duration
from reconciler.telemetry.health import Grade, HostState, LastHour, Slug, Vitals, judge
from reconciler.telemetry.health.merge import merge_hosts

A = HostState(host="a", instance="a1", uptime_seconds=900, shards=4, budget_per_minute=3000)
B = replace(A, host="b", instance="b1")
GONE = replace(B, silent_seconds=61)


def rows_of(*hosts: HostState) -> dict[Slug, tuple[str, Grade]]:
    vitals = Vitals(last_hour=LastHour(last_run_age_seconds=1), hosts=hosts)
    return {row.slug: (row.value, row.grade) for row in judge(vitals).rows}


def test_two_hosts_count_as_one_whatever_their_order() -> None:
    a = replace(A, breakers_open=1, shards_parked=1)
    b = replace(B, breakers_open=2, pause_seconds=90, silent_seconds=5)

    rows = rows_of(a, b)

    assert rows == rows_of(b, a)
    assert rows[Slug.BREAKERS] == ("3 open on a, b", Grade.CRITICAL)
    assert rows[Slug.SHARDS] == ("1 of 8 parked on a: their workers kept dying", Grade.WARNING)
    assert rows[Slug.PAUSE] == ("the exchange wants no requests for 1 min 25 s", Grade.WARNING)
    assert rows[Slug.SUPERVISOR] == (
        "2 running: a (heard 0 s ago), b (heard 5 s ago)",
        Grade.HEALTHY,
    )
    assert merge_hosts((a, b)).budget_per_minute == 6000


def test_an_account_that_one_of_two_hosts_is_refused_is_a_warning_that_names_the_host() -> None:
    refused = replace(B, account_fault="the key is refused")

    assert rows_of(A, refused)[Slug.ACCOUNTS] == ("on b: the key is refused", Grade.WARNING)
    assert rows_of(replace(refused, host="a"), refused)[Slug.ACCOUNTS][1] is Grade.CRITICAL


def test_gone_supervisor_is_a_warning_while_another_runs_and_says_nothing_more() -> None:
    rows = rows_of(A, replace(GONE, breakers_open=1, shards_parked=4))

    assert rows[Slug.SUPERVISOR] == (
        (
            "the supervisor on b is gone without a stop: last heard 1 min 1 s ago;"
            " 1 running: a (heard 0 s ago)"
        ),
        Grade.WARNING,
    )
    assert rows[Slug.BREAKERS] == ("all closed", Grade.HEALTHY)
    assert rows[Slug.SHARDS] == ("none of 4 parked", Grade.HEALTHY)


@pytest.mark.parametrize(
    ("silent", "shown", "grade"),
    [
        (60.0, "1 min", Grade.HEALTHY),
        (60.2, "1 min 0.2 s", Grade.CRITICAL),
        (301, "5 min 1 s", Grade.CRITICAL),
    ],
)
def test_only_supervisor_is_gone_after_a_minute_and_its_state_is_said_to_be_old(
    silent: float, shown: str, grade: Grade
) -> None:
    rows = rows_of(replace(A, silent_seconds=silent, breakers_open=1))

    assert f"heard {shown} ago" in rows[Slug.SUPERVISOR][0]
    assert rows[Slug.SUPERVISOR][1] is grade
    if silent > 60:
        old = f"1 open, as last recorded {duration(silent)} ago"
        assert rows[Slug.BREAKERS] == (old, Grade.UNKNOWN)


def test_a_rate_limit_pause_outlives_its_supervisor() -> None:
    rows = rows_of(replace(A, silent_seconds=400, pause_seconds=1000))

    assert rows[Slug.PAUSE] == ("the exchange wants no requests for 10 min", Grade.WARNING)


def test_supervisor_that_started_since_takes_the_place_of_a_killed_one_at_once() -> None:
    killed = replace(A, silent_seconds=8, breakers_open=1)
    successor = replace(A, instance="a2", uptime_seconds=3)
    next_to_it = replace(A, instance="a3", uptime_seconds=30)

    for hosts in permutations((killed, successor)):
        assert merge_hosts(hosts).live == (successor,)
    assert len(merge_hosts((killed, next_to_it)).live) == 2


def test_supervisor_gone_for_an_hour_is_forgotten_only_while_another_runs() -> None:
    gone = replace(GONE, silent_seconds=3601)

    assert rows_of(A, gone)[Slug.SUPERVISOR][1] is Grade.HEALTHY
    assert rows_of(gone)[Slug.SUPERVISOR][1] is Grade.CRITICAL


def test_the_halt_is_on_as_long_as_a_supervisor_keeps_it() -> None:
    assert rows_of(A, replace(B, halted="41 of 50 vanished"))[Slug.HALT] == (
        "41 of 50 vanished",
        Grade.CRITICAL,
    )
    assert rows_of(A, replace(GONE, halted="41 of 50 vanished"))[Slug.HALT][1] is Grade.HEALTHY
