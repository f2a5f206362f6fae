from datetime import timedelta

import pytest

from reconciler.supervisor.stall_timeout import StallTimeout


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def timeout(clock: FakeClock) -> StallTimeout:
    return StallTimeout(timedelta(seconds=30), monotonic=clock)


def test_is_over_when_things_have_gone_wrong_for_long(
    timeout: StallTimeout, clock: FakeClock
) -> None:
    assert not timeout.record_fault()
    clock.now += 30
    assert not timeout.record_fault()
    clock.now += 0.1
    assert timeout.record_fault()


def test_is_over_at_once_when_the_wait_ahead_would_be_too_long(timeout: StallTimeout) -> None:
    assert not timeout.record_fault(retry_after_seconds=30)
    assert timeout.record_fault(retry_after_seconds=31)


def test_begins_anew_when_something_goes_well(timeout: StallTimeout, clock: FakeClock) -> None:
    timeout.record_fault()
    clock.now += 29
    timeout.record_success()
    clock.now += 29

    assert not timeout.record_fault()


def test_is_not_worn_out_by_waiting_while_nothing_goes_wrong(
    timeout: StallTimeout, clock: FakeClock
) -> None:
    clock.now += 3600

    assert not timeout.record_fault()


def test_without_a_limit_it_never_ends(clock: FakeClock) -> None:
    timeout = StallTimeout(None, monotonic=clock)
    timeout.record_fault()
    clock.now += 1e9

    assert not timeout.record_fault(retry_after_seconds=1e9)
