"""What the gauges say, also of what is gone or not known any more."""

from dataclasses import dataclass, field

from reconciler.resilience.breaker_state import BreakerState
from reconciler.resilience.rate_limits import RateLimits
from reconciler.supervisor.shard_gauges import ShardFigures, ShardGauges
from reconciler.supervisor.work_gauges import (
    RECENT_SECONDS,
    BacklogGauges,
    send_health_gauges,
    send_limit_gauges,
)
from reconciler.telemetry.health import LastHour, Slug, Vitals, judge
from reconciler.telemetry.metric_catalog import of_kind
from reconciler.telemetry.metric_definition import Kind, WhenGone
from reconciler.telemetry.metrics import Gauge, GaugeName, NoMetrics, health_row
from reconciler.workload import Backlog
from tests.fakes import weight_limit


@dataclass
class Gauges(NoMetrics):
    """Keeps the last value of each gauge."""

    values: dict[str, float] = field(default_factory=dict)

    def gauge(self, name: Gauge | GaugeName, value: float) -> None:
        self.values[str(name)] = value

    def take(self) -> dict[str, float]:
        """Return the values since the last call."""
        values, self.values = self.values, {}
        return values


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def backlog(items: int = 7, age: float = 600.0) -> Backlog:
    return Backlog(items=items, oldest_age_seconds=age, held_items=3, oldest_hold_age_seconds=90.0)


def test_each_gauge_of_a_shard_that_is_gone_is_set_to_0_once() -> None:
    metrics = Gauges()
    gauges = ShardGauges(metrics)
    busy = ShardFigures(breaker=BreakerState.OPEN, queued=12, in_flight=5)
    gauges.send({0: busy, 1: busy})
    before = metrics.take()

    gauges.send({0: busy})
    after = metrics.take()
    gauges.send({0: busy})

    assert {before[f"shard.1.{name}"] for name in ("breaker.state", "queued", "in_flight")} == {
        2,
        12,
        5,
    }
    assert after == {
        "shard.0.breaker.state": 2,
        "shard.0.queued": 12,
        "shard.0.in_flight": 5,
        "shard.1.breaker.state": 0,
        "shard.1.queued": 0,
        "shard.1.in_flight": 0,
    }
    assert not [name for name in metrics.take() if name.startswith("shard.1.")]


def test_at_the_end_each_gauge_is_withdrawn_as_the_catalog_says() -> None:
    metrics = Gauges()
    gauges = ShardGauges(metrics)
    gauges.send({1: ShardFigures(queued=12)})

    gauges.withdraw()

    plain = [metric for metric in of_kind(Kind.GAUGE) if not metric.values]
    ends = {WhenGone.ZERO: 0, WhenGone.UNKNOWN: 3}
    assert metrics.take() == {
        "shard.1.breaker.state": 0,
        "shard.1.queued": 0,
        "shard.1.in_flight": 0,
    } | {one.pattern: ends[one.when_gone] for one in plain if one.when_gone in ends}


def test_of_a_backlog_that_is_not_measured_any_more_only_the_age_goes_on() -> None:
    metrics, clock = Gauges(), Clock()
    gauges = BacklogGauges(metrics, clock)
    gauges.send()
    assert metrics.take() == {}

    gauges.record(backlog())
    clock.now += RECENT_SECONDS
    gauges.send()
    measured = metrics.take()
    clock.now += 1
    gauges.send()

    assert (measured["stale.backlog"], measured["stale.oldest_age_seconds"]) == (7, 600)
    assert (measured["holds.open"], measured["holds.oldest_age_seconds"]) == (3, 90)
    assert metrics.take() == {"stale.oldest_age_seconds": 600 + RECENT_SECONDS + 1}


def test_no_order_grows_old_while_none_is_stale() -> None:
    metrics, clock = Gauges(), Clock()
    gauges = BacklogGauges(metrics, clock)
    gauges.record(backlog(items=0, age=0.0))

    clock.now += 3600
    gauges.send()

    assert metrics.take() == {"stale.oldest_age_seconds": 0}


def test_the_budget_the_pause_the_halt_and_refused_accounts_are_sent() -> None:
    metrics, clock = Gauges(), Clock()
    limits = RateLimits(weight_limit(6000), 0.5, clock=clock)
    limits.reserve({"weight": 40})
    limits.pause(90)
    clock.now += 30

    send_limit_gauges(metrics, limits, is_halted=True, parked_accounts=1)

    assert metrics.take() == {
        "budget.used": 40,
        "budget.limit": 3000,
        "budget.pause_seconds": 60,
        "halt.active": 1,
        "accounts.parked": 1,
    }


def test_work_without_a_rate_limit_has_no_gauge_of_it() -> None:
    metrics = Gauges()

    send_limit_gauges(metrics, RateLimits((), 0.1), is_halted=False, parked_accounts=0)

    assert "budget.limit" not in metrics.take()


def test_a_row_of_health_that_is_no_more_goes_back_to_0() -> None:
    metrics = Gauges()
    hour = LastHour(last_run_age_seconds=1.0)

    send_health_gauges(metrics, judge(Vitals(last_hour=hour, halted="most orders vanished")))
    halted = metrics.take()
    send_health_gauges(metrics, judge(Vitals(last_hour=hour)))
    well = metrics.take()

    assert (halted["health.verdict"], halted["health.row.halt"]) == (2, 2)
    assert (well["health.verdict"] < 2, well["health.row.halt"]) == (True, 0)
    assert set(well) == set(halted) == {"health.verdict", *map(health_row, Slug)}
