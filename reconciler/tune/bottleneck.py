"""The resource that limited a trial. Pure.

The first of these that applies: the exchange's limit allows less than was reached; the trials' own
exchange, one process, was busy; all cores were busy; else where the workers spent most time.
"""

from enum import StrEnum

from reconciler.tune.trial_result import Allowance, TrialResult

FULL = 0.9
"""The busy share from which a core, or all of them, counts as full: other programs use the rest."""


class Bottleneck(StrEnum):
    """The resource that limits a trial."""

    BUDGET = "exchange budget"
    TRIAL_EXCHANGE = "the trials' own exchange"
    CPU = "CPU"
    LATENCY = "exchange latency"
    DATABASE = "database"
    COMPUTING = "one core a worker"
    WORK = "work to hand out"


def bottleneck_of(trial: TrialResult, allowance: Allowance) -> Bottleneck:
    """Return the resource that kept the trial from being faster, or that forbids its rate."""
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
