"""The advice, from the trials. Pure.

The rate that counts is the sustained one: the rate that a trial reached, or the one that the
exchange's limit allows if that is lower. Fewer shards are better if they are nearly as fast: each
holds a database connection and about 30 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.tune.bottleneck import Bottleneck, bottleneck_of
from reconciler.tune.trial_result import Allowance, TrialResult

NEAR_ENOUGH = 0.9
"""The share of the best rate that counts as equal to it: repeated trials differ by as much."""


@dataclass(frozen=True, kw_only=True)
class RequiredRate:
    """The rate that is needed to check all open orders once within the stale time."""

    open_orders: int
    stale_seconds: float

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.open_orders / self.stale_seconds


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The recommended shards and batch size.

    Attributes:
        trial: The trial with these.
        rate: The sustained rate, in orders a second.
        allowed: The rate that the exchange's limit allows, in orders a second.
        bottleneck: The resource that limits the rate.
        reason: One sentence.
    """

    trial: TrialResult
    rate: float
    allowed: float
    bottleneck: Bottleneck
    reason: str


def advise(
    trials: Sequence[TrialResult], allowance: Allowance, *, current_batch_size: int
) -> Advice:
    """Choose the fewest shards that sustain nearly the best rate; with these, the batch size.

    The current batch size stays unless another is clearly faster; of several the smallest: it
    locks rows for a shorter time. At least one trial must have finished an order.
    """
    best = max(_sustained_rate(trial, allowance) for trial in trials)
    good = [trial for trial in trials if _sustained_rate(trial, allowance) >= NEAR_ENOUGH * best]
    chosen = min(
        good, key=lambda it: (it.shards, it.batch_size != current_batch_size, it.batch_size)
    )
    bottleneck = bottleneck_of(chosen, allowance)
    return Advice(
        trial=chosen,
        rate=_sustained_rate(chosen, allowance),
        allowed=allowance.orders_per_second(chosen),
        bottleneck=bottleneck,
        reason=_reason(chosen, bottleneck, trials, allowance)
        + _reason_for_batch_size(chosen, current_batch_size, trials, allowance),
    )


def _sustained_rate(trial: TrialResult, allowance: Allowance) -> float:
    return min(trial.rate, allowance.orders_per_second(trial))


def _reason(
    chosen: TrialResult, bottleneck: Bottleneck, trials: Sequence[TrialResult], allowance: Allowance
) -> str:
    has = "shard does" if chosen.shards == 1 else "shards do"
    what = f"{chosen.shards} {has} {chosen.rate:,.0f} orders/s"
    if bottleneck is Bottleneck.BUDGET:
        allowed = allowance.orders_per_second(chosen)
        return f"{what}, and the exchange's limit allows no more than {allowed:,.0f}"
    more = [trial for trial in trials if trial.shards > chosen.shards]
    if not more:
        return f"{what}, the most that was tried"
    best = max(more, key=lambda trial: trial.rate)
    allowed = allowance.orders_per_second(best)
    if best.rate > max(allowed, chosen.rate):
        return (
            f"{what}; {best.shards} do {best.rate:,.0f}, but the exchange's limit allows no more"
            f" than {allowed:,.0f}"
        )
    gain = best.rate / chosen.rate - 1
    if gain <= 0:
        return f"{what}, and more of them did not do more"
    return f"{what}; {best.shards} do only {gain:.0%} more"


def _reason_for_batch_size(
    chosen: TrialResult, current: int, trials: Sequence[TrialResult], allowance: Allowance
) -> str:
    """Compare with the current batch size, if that was tried and is not the chosen one."""
    today = [it for it in trials if (it.shards, it.batch_size) == (chosen.shards, current)]
    if not today or chosen.batch_size == current:
        return ""
    rate, rate_today = _sustained_rate(chosen, allowance), _sustained_rate(today[0], allowance)
    return (
        f"; batches of {chosen.batch_size:,} keep up {rate:,.0f}, those of"
        f" {current:,} only {rate_today:,.0f}"
    )
