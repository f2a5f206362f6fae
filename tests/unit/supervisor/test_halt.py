from math import comb

import pytest

from reconciler.supervisor.halt import HaltPolicy, describe, is_anomaly, is_clean
from reconciler.workload import AnomalyStats

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
def test_a_sample_is_clean_when_that_is_no_luck(
    suspicious: int, examined: int, *, expected: bool
) -> None:
    assert is_clean(seen(suspicious, examined), POLICY) is expected


@pytest.mark.parametrize(
    ("suspicious", "examined", "expected"),
    [(0, 0, False), (0, 1, True), (1, 1, False), (1, 4, True), (1, 3, False)],
)
def test_where_no_more_is_stale_than_the_sample_nothing_is_luck(
    suspicious: int, examined: int, *, expected: bool
) -> None:
    assert is_clean(seen(suspicious, examined), POLICY, is_whole=True) is expected


def chance_to_pass(share: float, size: int) -> float:
    """Return how likely a sample of what `share` of is suspicious is clean."""
    return sum(
        comb(size, odd) * share**odd * (1 - share) ** (size - odd)
        for odd in range(size + 1)
        if is_clean(seen(odd, size), POLICY)
    )


@pytest.mark.parametrize("size", [1, 5, 20, 50, 80, 100])
def test_what_has_just_applied_the_halt_passes_as_clean_less_than_once_in_a_million_samples(
    size: int,
) -> None:
    assert chance_to_pass(0.51, size) < 1e-6


def test_an_anomaly_that_has_passed_is_seen_in_the_first_sample() -> None:
    assert chance_to_pass(0.05, 100) > 0.999999


def test_no_sample_is_clean_that_would_put_the_halt_on() -> None:
    cases = [seen(odd, total) for total in range(1, 200, 7) for odd in range(total + 1)]

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


def test_the_evidence_of_workers_is_judged_together() -> None:
    cycle = AnomalyStats(keys=frozenset({"A", "B", "C"}))
    one, another = (AnomalyStats(examined=300, errors={symbol: 300}) for symbol in "AB")

    assert not is_anomaly(cycle + one, POLICY)
    assert is_anomaly(cycle + one + another, POLICY)


def test_the_reason_of_a_mass_of_errors_names_them_and_the_symbols() -> None:
    reason = describe(failed({"A": 300, "B": 300}, sound=1))

    assert "600 of 610 orders were answered with an error of their own, in 2 of 3 symbols" in reason
    assert "symbol and external_order_id" in reason
