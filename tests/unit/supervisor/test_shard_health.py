import pytest

from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.supervisor.shard_health import FAULT_SECONDS, RATE_SECONDS, RateMeter, ShardHealth
from reconciler.workload import FaultKind, WorkerFault
from tests.fakes import FakeClock

GONE = WorkerFault(kind=FaultKind.EXCHANGE, message="it is gone", retry_after_seconds=8.0)


def test_the_rate_is_of_ten_seconds_and_the_total_of_all_time() -> None:
    clock = FakeClock()
    rate = RateMeter(monotonic=clock)
    rate.add(30)
    clock.now += 6
    rate.add(50)

    assert (rate.total, rate.per_second) == (80, 80 / RATE_SECONDS)
    clock.now += 5
    assert (rate.total, rate.per_second) == (80, 50 / RATE_SECONDS)
    clock.now += 6
    assert (rate.total, rate.per_second) == (80, 0.0)


def test_a_new_shard_has_no_breaker_and_no_fault() -> None:
    health = ShardHealth(monotonic=FakeClock())

    assert health.breaker is None
    assert (health.fault, health.fault_age_seconds) == (None, None)
    assert not health.has_fault
    assert health.backing_off_seconds == 0


def test_a_shard_with_a_fault_backs_off_until_the_next_try() -> None:
    clock = FakeClock()
    health = ShardHealth(monotonic=clock)
    health.record_fault(GONE)

    clock.now += 5

    assert health.has_fault
    assert (health.backing_off_seconds, health.fault_age_seconds) == (3.0, 5.0)
    clock.now += 5
    assert health.has_fault
    assert health.backing_off_seconds == 0


def test_a_success_ends_the_fault_but_keeps_what_it_was() -> None:
    clock = FakeClock()
    health = ShardHealth(monotonic=clock)
    health.record_fault(GONE)
    clock.now += 9

    health.record_success()

    assert not health.has_fault
    assert (health.fault, health.fault_age_seconds) == (GONE, 9.0)


def test_an_open_breaker_counts_down_without_news_of_it() -> None:
    clock = FakeClock()
    health = ShardHealth(monotonic=clock)
    health.record_breaker(BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=60))

    clock.now += 20

    assert health.breaker == BreakerSnapshot(state=BreakerState.OPEN, retry_after_seconds=40)


def test_refused_key_stays_the_cause_while_the_breaker_that_it_opened_is_reported() -> None:
    clock = FakeClock()
    health = ShardHealth(monotonic=clock)
    refused = WorkerFault(kind=FaultKind.REFUSED, message="the key is refused")
    open_ = WorkerFault(kind=FaultKind.EXCHANGE, message="it is open", is_consequence=True)

    causes = []
    for fault in (refused, open_):
        health.record_fault(fault)
        causes.append(health.cause)
    clock.now += FAULT_SECONDS + 1
    causes.append(health.cause)
    health.record_fault(GONE)
    health.record_success()

    assert causes == [refused, refused, None]
    assert health.cause is None


@pytest.mark.parametrize(
    ("message", "expected"), [("refused\nhint: wait", "refused"), ("refused", "refused"), ("", "")]
)
def test_first_line_of_a_fault_may_be_empty(message: str, expected: str) -> None:
    assert WorkerFault(kind=FaultKind.EXCHANGE, message=message).first_line == expected
