"""A session of `reconciler tune`: sample, latency, one trial after another, advice."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from math import floor
from typing import Any

from pydantic import SecretStr

from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.configured_venue import configured_venue
from reconciler.resilience.rate_limits import per_minute
from reconciler.settings import Settings
from reconciler.trial.sweep import Sweep
from reconciler.tune.advice import NEAR_ENOUGH, Advice, RequiredRate, advise
from reconciler.tune.latency import Latency, measure_latency
from reconciler.tune.sample import Sample, order_specs, read_sample
from reconciler.tune.scratch_copy import open_scratch_copy
from reconciler.tune.trial import TrialSetup, run_trial
from reconciler.tune.trial_exchange import TrialDialect, open_trial_exchange
from reconciler.tune.trial_result import Allowance, TrialResult
from reconciler.workload import NO_LIMIT

BATCH_SIZES = (100, 200, 500, 1000)
FEWEST_TRIALS = 3
"""The smallest number of trials with different numbers of shards: fewer make no curve."""
MOST_SHARDS = 16
"""The most shards that are tried without `--shards`: each takes a database connection."""


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """The options of `reconciler tune`.

    Attributes:
        shards: Numbers of shards to try; None: 1, 2, 4 ... as long as doubling helps.
        batch_sizes: Batch sizes to try after that.
        orders: Open orders in the sample, at most.
        seconds: How long a trial assigns work.
        latency_ms: The exchange's latency; None: measure it.
        ended_share: The share of the sample that has ended at the exchange.
        scratch_url: An empty database to write to; None: write nothing.
    """

    shards: Sequence[int] | None
    batch_sizes: Sequence[int]
    orders: int
    seconds: float
    latency_ms: float | None
    ended_share: float
    scratch_url: str | None


@dataclass(frozen=True, kw_only=True)
class TuneListener:
    """Called when a step begins, while a trial runs, and with the result of a trial."""

    on_step: Callable[[str], None]
    on_progress: Callable[[Sweep], None]
    on_trial: Callable[[TrialResult], None]


@dataclass(frozen=True, kw_only=True)
class TuneReport:
    """The result of a session: its inputs, its trials and the advice."""

    options: TuneOptions
    sample: Sample
    latency: Latency
    allowance: Allowance
    required_rate: RequiredRate
    trials: Sequence[TrialResult]
    advice: Advice

    @property
    def is_dry(self) -> bool:
        """True if the trials wrote nothing, so that the cost of writing is not included."""
        return self.options.scratch_url is None

    def as_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "dry": self.is_dry,
            "cores": os.cpu_count(),
            "open_orders": self.sample.open_orders,
            "sample_orders": len(self.sample.orders),
            "sample_symbols": self.sample.symbols,
            "left_out": self.sample.left_out,
            "ended_share": self.options.ended_share,
            "latency_ms": round(self.latency.ms, 2),
            "latency_requests": self.latency.requests,
            "latency_weight": self.latency.weight,
            "weight_per_minute": self.allowance.weight_per_minute,
            "rate_share": self.allowance.share,
            "trials": [trial.as_json() for trial in self.trials],
            "needed_per_second": round(self.required_rate.rate, 2),
            "allowed_per_second": round(self.advice.allowed, 1),
            "advice": {
                "shards": self.advice.trial.shards,
                "batch_size": self.advice.trial.batch_size,
                "orders_per_second": round(self.advice.rate, 1),
                "limit": self.advice.bottleneck.value,
                "reason": self.advice.reason,
                "keeps_up": self.advice.rate >= self.required_rate.rate,
            },
        }


def run(
    settings: Settings,
    options: TuneOptions,
    *,
    set_up_worker: Callable[[int], Callable[[], None]],
    listener: TuneListener,
) -> TuneReport:
    """Run the trials and advise. Changes nothing in the user's own database and exchange.

    Raises:
        ConfigurationError: schema, rights, key or the scratch database do not fit; there is no open
            order; no trial finished an order.
        StoreUnavailable, ExchangeError: the database or the exchange does not answer.
        SweepFailed: a trial ended early.
        KeyboardInterrupt: a signal ended it.
    """
    allowance = _allowance(settings)
    listener.on_step("reading open orders")
    sample = read_sample(settings, options.orders, TrialDialect.of(settings.exchange_name))
    latency = _latency(settings, options, listener)
    listener.on_step("starting an exchange that has these orders")
    with _trial_setup(settings, options, sample, latency, set_up_worker) as setup:
        trials = list(_trials(setup, options, settings.batch_size, listener))
    _require_finished_order(trials)
    return TuneReport(
        options=options,
        sample=sample,
        latency=latency,
        allowance=allowance,
        required_rate=RequiredRate(
            open_orders=sample.open_orders, stale_seconds=settings.stale_after.total_seconds()
        ),
        trials=trials,
        advice=advise(trials, allowance, current_batch_size=settings.batch_size),
    )


def next_shards(trials: Sequence[TrialResult], allowance: Allowance) -> int | None:
    """Return the number of shards to try next; None if more would not help.

    That is so when the last two doublings gained less than a tenth, or when the exchange's limit
    allows less than was reached.
    """
    if not trials:
        return 1
    last = trials[-1]
    if last.shards >= MOST_SHARDS:
        return None
    if len(trials) >= FEWEST_TRIALS:
        rates = [trial.rate for trial in trials]
        has_grown = NEAR_ENOUGH * max(rates[-2:]) > max(rates[:-2])
        if not has_grown or allowance.orders_per_second(last) < last.rate:
            return None
    return last.shards * 2


def _allowance(settings: Settings) -> Allowance:
    found = configured_venue(settings)
    allowed = per_minute(found.limits, found.chunk_cost, share=1)
    return Allowance(
        weight_per_minute=NO_LIMIT if allowed is None else floor(allowed),
        share=settings.rate_share,
    )


def _latency(settings: Settings, options: TuneOptions, listener: TuneListener) -> Latency:
    if options.latency_ms is not None:
        return Latency(ms=options.latency_ms)
    listener.on_step("asking the exchange for its time")
    return measure_latency(settings)


def _trials(
    setup: TrialSetup, options: TuneOptions, batch_size: int, listener: TuneListener
) -> Iterator[TrialResult]:
    trials: list[TrialResult] = []

    def try_with(shards: int, batch_size: int) -> TrialResult:
        listener.on_step(_trial_name(shards, batch_size))
        trial = run_trial(
            setup, shards=shards, batch_size=batch_size, on_progress=listener.on_progress
        )
        trials.append(trial)
        listener.on_trial(trial)
        return trial

    if options.shards is not None:
        for shards in options.shards:
            yield try_with(shards, batch_size)
    else:
        while (shards_ := next_shards(trials, setup.allowance)) is not None:
            yield try_with(shards_, batch_size)
    _require_finished_order(trials)
    best = advise(trials, setup.allowance, current_batch_size=batch_size).trial
    for other in options.batch_sizes:
        if other != batch_size:
            yield try_with(best.shards, other)


def _trial_name(shards: int, batch_size: int) -> str:
    return f"{shards} {'shard' if shards == 1 else 'shards'}, batches of {batch_size:,}"


def _require_finished_order(trials: Sequence[TrialResult]) -> None:
    if not any(trial.orders for trial in trials):
        raise ConfigurationError(
            [
                Problem(
                    what="not one order was finished in any trial",
                    hint="give each trial longer with --seconds, and see the log above",
                )
            ]
        )


@contextmanager
def _trial_setup(
    settings: Settings,
    options: TuneOptions,
    sample: Sample,
    latency: Latency,
    set_up_worker: Callable[[int], Callable[[], None]],
) -> Iterator[TrialSetup]:
    """Start the trials' exchange, and copy the sample to the scratch database if there is one."""
    specs = order_specs(sample.orders, sample.dialect, ended_share=options.ended_share)
    with open_trial_exchange(settings, sample.dialect, specs, latency.ms) as exchange:
        base = exchange.settings
        dry = TrialSetup(
            settings=base,
            is_dry_run=True,
            exchange=exchange.process,
            orders=sample.orders,
            allowance=_allowance(settings),
            restore=lambda: None,
            set_up_worker=set_up_worker,
            time_limit=timedelta(seconds=options.seconds),
        )
        if options.scratch_url is None:
            yield dry
            return
        with open_scratch_copy(options.scratch_url, sample) as scratch:
            # The copy has our own names, whatever the user's table has.
            plain = base.with_orders_of_the_demo()
            there = plain.model_copy(update={"database_url": SecretStr(scratch.url)})
            yield replace(
                dry,
                settings=there,
                is_dry_run=False,
                orders=read_sample(there, len(sample.orders), sample.dialect).orders,
                restore=scratch.restore,
            )
