from dataclasses import dataclass

from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.supervisor.shard_health import RATE_SECONDS, RateMeter, ShardHealth
from reconciler.workload import FaultKind, WorkerFault

GONE = WorkerFault(kind=FaultKind.EXCHANGE, message="it is gone", retry_after_seconds=8.0)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_is_that_of_the_last_ten_seconds_and_the_total_is_of_all_time() -> None:
    clock = Clock()
    rate = RateMeter(monotonic=clock)
    rate.add(30)
    clock.now += 6
    rate.add(50)

    assert (rate.total, rate.per_second) == (80, 80 / RATE_SECONDS)
    clock.now += 5
    assert (rate.total, rate.per_second) == (80, 50 / RATE_SECONDS)
    clock.now += 6
    assert (rate.total, rate.per_second) == (80, 0.0)


def test_a_new_shard_has_no_breaker_and_nothing_in_its_way() -> None:
    health = ShardHealth(monotonic=Clock())

    assert health.breaker is None
    assert (health.fault, health.fault_age_seconds) == (None, None)
    assert not health.has_fault
    assert health.backing_off_seconds == 0


def test_a_shard_in_trouble_is_handed_nothing_until_that_is_worth_another_try() -> None:
    clock = Clock()
    health = ShardHealth(monotonic=clock)
    health.record_fault(GONE)

    clock.now += 5

    assert health.has_fault
    assert (health.backing_off_seconds, health.fault_age_seconds) == (3.0, 5.0)
    clock.now += 5
    assert health.has_fault
    assert health.backing_off_seconds == 0


def test_what_goes_well_ends_the_trouble_but_what_it_was_is_kept() -> None:
    clock = Clock()
    health = ShardHealth(monotonic=clock)
    health.record_fault(GONE)
    clock.now += 9

    health.record_success()

    assert not health.has_fault
    assert (health.fault, health.fault_age_seconds) == (GONE, 9.0)


def test_an_open_breaker_goes_on_towards_its_probe_while_nobody_speaks_of_it() -> None:
    clock = Clock()
    health = ShardHealth(monotonic=clock)
    health.record_breaker(BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=60))

    clock.now += 20

    assert health.breaker == BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=40)
