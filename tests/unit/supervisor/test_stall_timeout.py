from datetime import timedelta

import pytest

from reconciler.supervisor.stall_timeout import StallTimeout
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def timeout(clock: FakeClock) -> StallTimeout:
    return StallTimeout(timedelta(seconds=30), monotonic=clock)


def test_faults_for_longer_than_the_limit_exceed_it(
    timeout: StallTimeout, clock: FakeClock
) -> None:
    assert not timeout.record_fault()
    clock.now += 30
    assert not timeout.record_fault()
    clock.now += 0.1
    assert timeout.record_fault()


def test_a_wait_beyond_the_limit_exceeds_it_at_once(timeout: StallTimeout) -> None:
    assert not timeout.record_fault(retry_after_seconds=30)
    assert timeout.record_fault(retry_after_seconds=31)


def test_a_success_begins_the_timeout_again(timeout: StallTimeout, clock: FakeClock) -> None:
    timeout.record_fault()
    clock.now += 29
    timeout.record_success()
    clock.now += 29

    assert not timeout.record_fault()


def test_waiting_without_a_fault_does_not_count(timeout: StallTimeout, clock: FakeClock) -> None:
    clock.now += 3600

    assert not timeout.record_fault()


def test_without_a_limit_the_timeout_never_ends(clock: FakeClock) -> None:
    timeout = StallTimeout(None, monotonic=clock)
    timeout.record_fault()
    clock.now += 1e9

    assert not timeout.record_fault(retry_after_seconds=1e9)
