from collections.abc import Callable
from math import comb
from typing import cast

import pytest

from reconciler.supervisor.halt import (
    CycleVerdict,
    Halt,
    HaltPolicy,
    describe,
    is_anomaly,
    is_clean,
)
from reconciler.workload import AnomalyStats, Planner

POLICY = HaltPolicy()


def seen(suspicious: int, examined: int) -> AnomalyStats:
    return AnomalyStats(examined=examined, suspicious=suspicious)


@pytest.mark.parametrize(
    ("suspicious", "examined", "expected"),
    [
        pytest.param(0, 0, False, id="nothing was learnt"),
        pytest.param(49, 49, False, id="all, but too few"),
        pytest.param(50, 50, True, id="all, and enough"),
        pytest.param(50, 100, False, id="exactly the share"),
        pytest.param(51, 101, True, id="just above the share"),
        pytest.param(5_000, 20_000, False, id="many, but a small share"),
    ],
)
def test_the_halt_needs_both_a_share_and_a_number(
    suspicious: int, examined: int, *, expected: bool
) -> None:
    assert is_anomaly(seen(suspicious, examined), POLICY) is expected


@pytest.mark.parametrize(
    ("suspicious", "examined", "expected"),
    [
        pytest.param(0, 0, False, id="nothing was learnt"),
        pytest.param(0, 1, False, id="one sane order of many"),
        pytest.param(0, 19, False, id="few sane orders of many"),
        pytest.param(0, 20, True, id="enough sane orders"),
        pytest.param(8, 50, True, id="few of fifty"),
        pytest.param(12, 50, False, id="too many of fifty, though below the share"),
        pytest.param(25, 100, True, id="exactly the clean share"),
        pytest.param(26, 100, False, id="just above the clean share"),
        pytest.param(50, 100, False, id="what does not yet apply the halt"),
    ],
)
def test_a_sample_is_clean_if_that_is_no_luck(
    suspicious: int, examined: int, *, expected: bool
) -> None:
    assert is_clean(seen(suspicious, examined), POLICY) is expected


@pytest.mark.parametrize(
    ("suspicious", "examined", "expected"),
    [(0, 0, False), (0, 1, True), (1, 1, False), (1, 4, True), (1, 3, False)],
)
def test_a_sample_of_all_that_is_stale_is_never_luck(
    suspicious: int, examined: int, *, expected: bool
) -> None:
    assert is_clean(seen(suspicious, examined), POLICY, is_whole=True) is expected


def chance_to_pass(share: float, size: int) -> float:
    """Return how likely a sample of what `share` of is suspicious is clean."""
    return sum(
        comb(size, suspicious) * share**suspicious * (1 - share) ** (size - suspicious)
        for suspicious in range(size + 1)
        if is_clean(seen(suspicious, size), POLICY)
    )


@pytest.mark.parametrize("size", [1, 5, 20, 50, 80, 100])
def test_an_anomaly_passes_as_clean_less_than_once_in_a_million(
    size: int,
) -> None:
    assert chance_to_pass(0.51, size) < 1e-6


def test_an_anomaly_that_has_passed_is_seen_in_the_first_sample() -> None:
    assert chance_to_pass(0.05, 100) > 0.999999


def test_no_sample_is_clean_that_would_put_the_halt_on() -> None:
    cases = [
        seen(suspicious, total) for total in range(1, 200, 7) for suspicious in range(total + 1)
    ]

    assert not [case for case in cases if is_anomaly(case, POLICY) and is_clean(case, POLICY)]


def test_the_reason_tells_a_person_how_many_and_what_to_look_at() -> None:
    reason = describe(seen(1_400, 2_000))

    assert "1,400 of 2,000" in reason
    assert "right account" in reason


def failed(errors: dict[str, int], *, sound: int, suspicious: int = 0) -> AnomalyStats:
    """Return evidence of orders with errors by symbol, and of `sound` other symbols of 10 each."""
    keys = {*errors, *(f"SOUND{number}" for number in range(sound))}
    return AnomalyStats(
        examined=sum(errors.values()) + 10 * sound,
        suspicious=suspicious,
        errors=errors,
        keys=frozenset(keys),
    )


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        pytest.param(failed({f"A{n}": 50 for n in range(12)}, sound=0), True, id="all symbols"),
        pytest.param(failed({"DELISTED": 300}, sound=2), False, id="most orders, one symbol"),
        pytest.param(failed({"ONLY": 60}, sound=0), True, id="all of the only symbol"),
        pytest.param(failed({"ONLY": 49}, sound=0), False, id="all, but too few"),
        pytest.param(
            failed({"A": 1, "B": 1, "C": 1}, sound=10), False, id="bad ids here and there"
        ),
        pytest.param(
            failed({"A": 20, "B": 20}, sound=1, suspicious=10), True, id="errors and vanished ones"
        ),
    ],
)
def test_errors_put_the_halt_on_where_most_symbols_have_them(
    stats: AnomalyStats, *, expected: bool
) -> None:
    assert is_anomaly(stats, POLICY) is expected
    assert is_clean(stats, POLICY) is not (expected or stats.examined == 49)


def test_the_stats_of_all_workers_are_judged_together() -> None:
    cycle = AnomalyStats(keys=frozenset({"A", "B", "C"}))
    one, another = (AnomalyStats(examined=300, errors={symbol: 300}) for symbol in "AB")

    assert not is_anomaly(cycle + one, POLICY)
    assert is_anomaly(cycle + one + another, POLICY)


def test_the_reason_for_many_errors_names_them_and_the_symbols() -> None:
    reason = describe(failed({"A": 300, "B": 300}, sound=1))

    assert "600 of 610 orders were answered with an error of their own, in 2 of 3 symbols" in reason
    assert "symbol and external_order_id" in reason


class Database:
    """A record of the halt; its writes wait until they are done."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[Planner], None]] = []
        self.reasons: list[str | None] = []

    def write_halt(self, reason: str | None) -> None:
        self.reasons.append(reason)

    def do_writes(self) -> None:
        while self.waiting:
            self.waiting.pop(0)(cast("Planner", self))


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def halt(database: Database) -> Halt:
    return Halt(POLICY, write_in_background=database.waiting.append)


ANOMALY = seen(1_400, 2_000)
SANE = seen(0, 2_000)


def judge(halt: Halt, stats: AnomalyStats, *, is_sample: bool = False) -> CycleVerdict:
    return halt.judge(stats, is_sample=is_sample, is_whole=False)


def test_an_anomaly_applies_the_halt_and_has_it_recorded(halt: Halt, database: Database) -> None:
    assert judge(halt, ANOMALY) is CycleVerdict.HALT
    assert (halt.is_on, halt.is_recorded) == (True, False)

    database.do_writes()

    assert (halt.is_on, halt.is_recorded) == (True, True)
    assert database.reasons == [describe(ANOMALY)]


def test_a_second_anomaly_keeps_the_first_reason(halt: Halt, database: Database) -> None:
    judge(halt, ANOMALY)

    assert judge(halt, seen(900, 1_000)) is CycleVerdict.HALT
    assert halt.reason == describe(ANOMALY)
    assert len(database.waiting) == 1


def test_a_sane_cycle_is_committed_only_while_the_halt_is_off(halt: Halt) -> None:
    assert judge(halt, SANE) is CycleVerdict.COMMIT
    halt.apply("a wrong account")

    assert judge(halt, SANE) is CycleVerdict.FORGET
    assert halt.is_on


def test_a_clean_sample_releases_the_halt_and_is_forgotten(halt: Halt) -> None:
    halt.apply("a wrong account")

    assert judge(halt, SANE, is_sample=True) is CycleVerdict.FORGET
    assert not halt.is_on
    assert not halt.is_recorded


def test_a_reading_from_before_the_halt_does_not_release_it(halt: Halt, database: Database) -> None:
    version = halt.version
    halt.apply("a wrong account")
    database.do_writes()

    halt.sync(None, version=version, is_at_start=False)

    assert halt.is_on


def test_a_reading_from_before_the_release_does_not_apply_it_again(halt: Halt) -> None:
    halt.apply("a wrong account")
    version = halt.version
    halt.release("a sample was clean")

    halt.sync("a wrong account", version=version, is_at_start=False)

    assert not halt.is_on


def test_a_write_that_a_change_overtakes_leaves_it_unrecorded(halt: Halt) -> None:
    class SlowDatabase(Database):
        def write_halt(self, reason: str | None) -> None:
            halt.apply("a wrong account")
            super().write_halt(reason)

    halt.apply("a wiped testnet")
    halt.release("a sample was clean")

    halt.record(None, cast("Planner", SlowDatabase()))

    assert (halt.is_on, halt.is_recorded) == (True, False)


def test_a_halt_of_another_host_is_not_to_be_sampled(halt: Halt) -> None:
    halt.sync("another host saw orders vanish", version=halt.version, is_at_start=False)

    assert halt.is_on
    assert not halt.may_be_sampled


def test_a_halt_found_at_the_start_may_be_sampled(halt: Halt) -> None:
    halt.sync("it was a wrong account", version=halt.version, is_at_start=True)

    assert halt.may_be_sampled


def test_our_own_halt_that_is_recorded_late_stays_our_own(halt: Halt) -> None:
    halt.apply("a wrong account")
    halt.release("a sample was clean")

    halt.sync("a wrong account", version=halt.version, is_at_start=False)

    assert halt.may_be_sampled


def test_a_halt_gone_from_the_database_was_released_by_a_person(halt: Halt) -> None:
    halt.apply("a wrong account")

    halt.sync(None, version=halt.version, is_at_start=False)

    assert not halt.is_on
    assert halt.is_recorded


def test_a_quarter_of_a_cycle_is_enough_to_be_certain(halt: Halt) -> None:
    assert halt.is_certain(seen(60, 100), items=400)
    assert not halt.is_certain(seen(60, 100), items=401)
    assert not halt.is_certain(seen(10, 100), items=100)


def test_a_late_write_does_not_record_a_halt_that_is_over(halt: Halt, database: Database) -> None:
    judge(halt, ANOMALY)
    halt.release("a sample was clean")
    halt.record(None, cast("Planner", database))

    database.do_writes()

    assert database.reasons == [None]


def test_each_change_of_the_halt_is_reported_once(database: Database) -> None:
    changes: list[str | None] = []
    halt = Halt(POLICY, write_in_background=database.waiting.append, on_change=changes.append)

    halt.apply("a wrong account")
    halt.adopt("another reason", is_at_start=False)
    halt.release("a sample was clean")

    assert changes == ["a wrong account", None]
