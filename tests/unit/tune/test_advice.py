from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.tune.advice import NEAR_ENOUGH, RequiredRate, advise
from reconciler.tune.bottleneck import Bottleneck
from reconciler.tune.session import MOST_SHARDS, next_shards
from reconciler.tune.trial_result import Allowance, TrialResult

from .builders import NO_LIMIT, a_trial

PUBLISHED = Allowance(weight_per_minute=6000, share=0.5)

trials_of_any_kind = st.lists(
    st.builds(
        a_trial,
        shards=st.integers(1, 64),
        batch_size=st.sampled_from([100, 200, 500, 1000]),
        rate=st.floats(0, 100_000),
        weight_per_order=st.floats(0, 10),
    ),
    min_size=1,
    max_size=12,
).filter(lambda trials: any(trial.orders for trial in trials))
allowances = st.builds(
    Allowance, weight_per_minute=st.integers(1, 10**6), share=st.floats(0.01, 1.0)
)


def curve(*rates: float) -> list[TrialResult]:
    """Return a trial for each rate, each with twice the shards of the one before."""
    return [a_trial(shards=2**power, rate=rate) for power, rate in enumerate(rates)]


def advised(trials: Sequence[TrialResult], allowance: Allowance = NO_LIMIT) -> tuple[int, int]:
    trial = advise(trials, allowance, current_batch_size=200).trial
    return trial.shards, trial.batch_size


@pytest.mark.parametrize(
    ("rates", "shards"),
    [
        pytest.param((1000, 1900, 3700), 4, id="still growing"),
        pytest.param((1000, 1900, 2000), 2, id="flat from two on"),
        pytest.param((1000, 950, 900), 1, id="falling"),
        pytest.param((0, 0, 500), 4, id="only the last got anywhere"),
    ],
)
def test_fewest_shards_with_nearly_the_best_rate_are_recommended(
    rates: tuple[float, ...], shards: int
) -> None:
    assert advised(curve(*rates)) == (shards, 200)


def test_rate_above_the_exchanges_limit_does_not_count() -> None:
    advice = advise(curve(6000, 11_000, 20_000), PUBLISHED, current_batch_size=200)

    assert advice.trial.shards == 1
    assert advice.bottleneck is Bottleneck.BUDGET
    assert advice.rate == advice.allowed == pytest.approx(5000)
    assert advice.reason == (
        "1 shard does 6,000 orders/s, and the exchange's limit allows no more than 5,000"
    )


def test_clearly_faster_batch_size_is_recommended() -> None:
    trials = [*curve(1000, 1100), a_trial(shards=1, batch_size=1000, rate=1500)]

    advice = advise(trials, NO_LIMIT, current_batch_size=200)

    assert (advice.trial.shards, advice.trial.batch_size) == (1, 1000)
    assert advice.reason.endswith("; batches of 1,000 keep up 1,500, those of 200 only 1,000")


def test_barely_faster_batch_size_is_not_recommended() -> None:
    trials = [*curve(1000), a_trial(shards=1, batch_size=100, rate=1050)]

    assert advised(trials) == (1, 200)


def test_smallest_of_equally_fast_batch_sizes_is_recommended() -> None:
    trials = [
        *curve(1000),
        a_trial(shards=1, batch_size=1000, rate=1500),
        a_trial(shards=1, batch_size=500, rate=1450),
    ]

    assert advised(trials) == (1, 500)


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        pytest.param(
            (1000, 2000), "2 shards do 2,000 orders/s, the most that was tried", id="most"
        ),
        pytest.param((1000, 1050), "1 shard does 1,000 orders/s; 2 do only 5% more", id="flat"),
        pytest.param(
            (1000, 900), "1 shard does 1,000 orders/s, and more of them did not do more", id="falls"
        ),
    ],
)
def test_reason_compares_with_the_rate_of_more_shards(
    rates: tuple[float, ...], reason: str
) -> None:
    assert advise(curve(*rates), NO_LIMIT, current_batch_size=200).reason == reason


def test_more_shards_that_exceed_the_limit_are_not_recommended() -> None:
    advice = advise(curve(4900, 9000, 20_000), PUBLISHED, current_batch_size=200)

    assert advice.trial.shards == 1
    assert advice.reason == (
        "1 shard does 4,900 orders/s; 4 do 20,000, but the exchange's limit allows no more than"
        " 5,000"
    )


@given(trials=trials_of_any_kind, allowance=allowances)
def test_advice_is_a_trial_near_the_best_with_the_fewest_shards(
    trials: list[TrialResult], allowance: Allowance
) -> None:
    def sustained(trial: TrialResult) -> float:
        return min(trial.rate, allowance.orders_per_second(trial))

    advice = advise(trials, allowance, current_batch_size=200)

    best = max(sustained(trial) for trial in trials)
    assert advice.trial in trials
    assert advice.rate == sustained(advice.trial) >= NEAR_ENOUGH * best
    assert all(
        sustained(trial) < NEAR_ENOUGH * best
        for trial in trials
        if trial.shards < advice.trial.shards
    )


@given(trials=trials_of_any_kind, allowance=allowances, more=st.floats(1.01, 100))
def test_larger_allowance_never_lowers_the_sustained_rate(
    trials: list[TrialResult], allowance: Allowance, more: float
) -> None:
    larger = Allowance(
        weight_per_minute=round(allowance.weight_per_minute * more) + 1, share=allowance.share
    )

    before = advise(trials, allowance, current_batch_size=200).rate
    after = advise(trials, larger, current_batch_size=200).rate

    assert after >= NEAR_ENOUGH * before


def test_required_rate_follows_from_the_stale_time() -> None:
    assert RequiredRate(open_orders=30_000, stale_seconds=300).rate == 100


@pytest.mark.parametrize(
    ("rates", "wanted"),
    [
        pytest.param((), 1, id="the first"),
        pytest.param((1000, 900), 4, id="three at least"),
        pytest.param((1000, 900, 800), None, id="two doublings without gain"),
        pytest.param((1000, 900, 1500), 8, id="the second doubling helped"),
        pytest.param((1000, 1900, 1950), 8, id="one doubling without gain"),
        pytest.param((1000, 1900, 1950, 1960), None, id="then another"),
        pytest.param((1, 2, 4, 8, 16), None, id="as many as are tried unasked"),
    ],
)
def test_shards_are_doubled_as_long_as_that_helps(
    rates: tuple[float, ...], wanted: int | None
) -> None:
    assert next_shards(curve(*rates), NO_LIMIT) == wanted


def test_shards_beyond_the_exchanges_limit_are_not_tried() -> None:
    assert next_shards(curve(6000, 12_000, 24_000), PUBLISHED) is None


@given(rates=st.lists(st.floats(0, 10**6), max_size=10))
def test_trying_more_shards_always_ends(rates: list[float]) -> None:
    trials: list[TrialResult] = []
    for rate in [*rates, *[10.0**7] * 10]:
        shards = next_shards(trials, NO_LIMIT)
        if shards is None:
            break
        trials.append(a_trial(shards=shards, rate=rate))

    assert next_shards(trials, NO_LIMIT) is None
    assert trials[-1].shards <= MOST_SHARDS
