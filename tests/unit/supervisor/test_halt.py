import pytest

from reconciler.supervisor.halt import HaltPolicy, describe, is_anomaly, is_clean
from reconciler.worker.workload import Evidence

POLICY = HaltPolicy()


def seen(suspicious: int, looked_at: int) -> Evidence:
    return Evidence(looked_at=looked_at, suspicious=suspicious)


@pytest.mark.parametrize(
    ("suspicious", "looked_at", "expected"),
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
    suspicious: int, looked_at: int, *, expected: bool
) -> None:
    assert is_anomaly(seen(suspicious, looked_at), POLICY) is expected


@pytest.mark.parametrize(
    ("suspicious", "looked_at", "expected"),
    [
        pytest.param(0, 0, False, id="nothing was learnt"),
        pytest.param(0, 1, True, id="one sane order"),
        pytest.param(1, 1, False, id="one odd order"),
        pytest.param(50, 100, True, id="exactly the share"),
        pytest.param(51, 100, False, id="just above the share"),
    ],
)
def test_a_sample_is_clean_however_small_unless_it_shows_nothing_or_too_much(
    suspicious: int, looked_at: int, *, expected: bool
) -> None:
    assert is_clean(seen(suspicious, looked_at), POLICY) is expected


def test_no_sample_is_clean_that_would_put_the_halt_on() -> None:
    cases = [seen(odd, total) for total in range(1, 200, 7) for odd in range(total + 1)]

    assert not [case for case in cases if is_anomaly(case, POLICY) and is_clean(case, POLICY)]


def test_the_reason_tells_a_person_how_many_and_what_to_look_at() -> None:
    reason = describe(seen(1_400, 2_000))

    assert "1,400 of 2,000" in reason
    assert "right account" in reason
