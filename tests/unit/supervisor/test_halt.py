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


def failed(errors: dict[str, int], *, sound: int, suspicious: int = 0) -> Evidence:
    """Return evidence of orders with errors by symbol, and of `sound` other symbols of 10 each."""
    keys = {*errors, *(f"SOUND{number}" for number in range(sound))}
    return Evidence(
        looked_at=sum(errors.values()) + 10 * sound,
        suspicious=suspicious,
        errors=errors,
        keys=frozenset(keys),
    )


@pytest.mark.parametrize(
    ("evidence", "expected"),
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
    evidence: Evidence, *, expected: bool
) -> None:
    assert is_anomaly(evidence, POLICY) is expected
    assert is_clean(evidence, POLICY) is not (expected or evidence.looked_at == 49)


def test_the_evidence_of_workers_is_judged_together() -> None:
    cycle = Evidence(keys=frozenset({"A", "B", "C"}))
    one, another = (Evidence(looked_at=300, errors={symbol: 300}) for symbol in "AB")

    assert not is_anomaly(cycle + one, POLICY)
    assert is_anomaly(cycle + one + another, POLICY)


def test_the_reason_of_a_mass_of_errors_names_them_and_the_symbols() -> None:
    reason = describe(failed({"A": 300, "B": 300}, sound=1))

    assert "600 of 610 orders were answered with an error of their own, in 2 of 3 symbols" in reason
    assert "symbol and external_order_id" in reason
