"""Which resource limited a trial: pure.

In this order, the first that is so: the exchange's limit allows less than was reached; the trials'
own exchange, one process, had no more to give; all cores were busy; else whatever the workers spent
most of their time on.
"""

from enum import StrEnum

from reconciler.tune.trial_result import Allowance, TrialResult

FULL = 0.9
"""A core, or all of them, is taken for full from here on: no more is had of one that is shared."""


class Bottleneck(StrEnum):
    """A resource that there is no more of."""

    BUDGET = "exchange budget"
    TRIAL_EXCHANGE = "the trials' own exchange"
    CPU = "CPU"
    LATENCY = "exchange latency"
    DATABASE = "database"
    COMPUTING = "one core a worker"
    WORK = "work to hand out"


def bottleneck_of(trial: TrialResult, allowance: Allowance) -> Bottleneck:
    """Return what kept the trial from being faster, or would keep it from staying so fast."""
    if allowance.orders_per_second(trial) < trial.rate:
        return Bottleneck.BUDGET
    if trial.exchange_busy >= FULL:
        return Bottleneck.TRIAL_EXCHANGE
    if trial.machine_busy >= FULL:
        return Bottleneck.CPU
    shares = trial.shares
    by_bottleneck = {
        Bottleneck.LATENCY: shares.exchange,
        Bottleneck.DATABASE: shares.database,
        Bottleneck.COMPUTING: shares.computing,
        Bottleneck.WORK: 1 - shares.exchange - shares.database - shares.computing,
    }
    return max(by_bottleneck, key=by_bottleneck.__getitem__)
