"""Which resource limited a trial: pure.

In this order, the first that is so: the exchange's limit allows less than was reached; the trials'
own exchange, one process, had no more to give; all cores were busy; else whatever the workers spent
most of their time on.
"""

from enum import StrEnum

from reconciler.tune.outcome import Allowance, Trial

FULL = 0.9
"""A core, or all of them, is taken for full from here on: no more is had of one that is shared."""


class Limit(StrEnum):
    """A resource that there is no more of."""

    BUDGET = "exchange budget"
    TRIAL_EXCHANGE = "the trials' own exchange"
    CPU = "CPU"
    LATENCY = "exchange latency"
    DATABASE = "database"
    COMPUTING = "one core a worker"
    WORK = "work to hand out"


def limit_of(trial: Trial, allowance: Allowance) -> Limit:
    """Return what kept the trial from being faster, or would keep it from staying so fast."""
    if allowance.orders_per_second(trial) < trial.rate:
        return Limit.BUDGET
    if trial.exchange_busy >= FULL:
        return Limit.TRIAL_EXCHANGE
    if trial.machine_busy >= FULL:
        return Limit.CPU
    shares = trial.shares
    by_limit = {
        Limit.LATENCY: shares.exchange,
        Limit.DATABASE: shares.database,
        Limit.COMPUTING: shares.computing,
        Limit.WORK: 1 - shares.exchange - shares.database - shares.computing,
    }
    return max(by_limit, key=by_limit.__getitem__)
