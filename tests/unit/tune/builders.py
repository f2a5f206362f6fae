"""Builders of trials, with defaults for the fields that a test does not need."""

from reconciler.tune.trial_result import Allowance, TimeSpent, TrialResult

NO_LIMIT = Allowance(weight_per_minute=10**9, share=1.0)


def a_trial(
    *,
    shards: int = 1,
    batch_size: int = 200,
    rate: float = 1000.0,
    weight_per_order: float = 0.01,
    shares: TimeSpent | None = None,
    machine_busy: float = 0.5,
    exchange_busy: float = 0.3,
) -> TrialResult:
    """Return a trial of ten seconds that reached `rate`, with `shares` of its workers' time."""
    seconds = 10.0
    shares = shares or TimeSpent()
    return TrialResult(
        shards=shards,
        batch_size=batch_size,
        orders=round(rate * seconds),
        seconds=seconds,
        weight=round(rate * seconds * weight_per_order),
        requests=1,
        spent=TimeSpent(
            exchange=shares.exchange * shards * seconds,
            database=shares.database * shards * seconds,
            computing=shares.computing * shards * seconds,
        ),
        machine_busy=machine_busy,
        exchange_busy=exchange_busy,
    )
