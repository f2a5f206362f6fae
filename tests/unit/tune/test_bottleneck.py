import pytest

from reconciler.tune.bottleneck import Bottleneck, bottleneck_of
from reconciler.tune.trial_result import Allowance, TimeSpent, TrialResult

from .builders import NO_LIMIT, a_trial


@pytest.mark.parametrize(
    ("trial", "bottleneck"),
    [
        pytest.param(
            a_trial(shares=TimeSpent(exchange=0.6, database=0.3)), Bottleneck.LATENCY, id="waits"
        ),
        pytest.param(
            a_trial(shares=TimeSpent(database=0.6, computing=0.3)), Bottleneck.DATABASE, id="rows"
        ),
        pytest.param(a_trial(shares=TimeSpent(computing=0.8)), Bottleneck.COMPUTING, id="computes"),
        pytest.param(
            a_trial(shards=4, shares=TimeSpent(exchange=0.2)), Bottleneck.WORK, id="idles"
        ),
        pytest.param(a_trial(machine_busy=0.97), Bottleneck.CPU, id="all cores busy"),
        pytest.param(
            a_trial(machine_busy=0.97, exchange_busy=0.95),
            Bottleneck.TRIAL_EXCHANGE,
            id="exchange busy",
        ),
    ],
)
def test_bottleneck_is_the_resource_that_is_used_up(
    trial: TrialResult, bottleneck: Bottleneck
) -> None:
    assert bottleneck_of(trial, NO_LIMIT) is bottleneck


def test_exchange_limit_below_the_rate_is_the_first_bottleneck() -> None:
    allowance = Allowance(weight_per_minute=6000, share=0.5)
    trial = a_trial(rate=5100, weight_per_order=0.01, machine_busy=1.0, exchange_busy=1.0)

    assert bottleneck_of(trial, allowance) is Bottleneck.BUDGET


def test_exchange_limit_above_the_rate_is_no_bottleneck() -> None:
    allowance = Allowance(weight_per_minute=6000, share=0.5)
    trial = a_trial(rate=4900, weight_per_order=0.01, machine_busy=1.0)

    assert bottleneck_of(trial, allowance) is Bottleneck.CPU


def test_trial_without_weight_is_not_limited_by_the_exchange() -> None:
    trial = a_trial(weight_per_order=0.0, shares=TimeSpent(database=0.9))

    assert bottleneck_of(trial, Allowance(weight_per_minute=1, share=0.1)) is Bottleneck.DATABASE
