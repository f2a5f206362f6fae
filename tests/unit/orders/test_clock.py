"""The database's clock, told by ours: it runs on, and is never ahead of the database."""

from datetime import UTC, datetime, timedelta

from reconciler.orders.clock import DatabaseClock

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class HandClock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_it_tells_what_it_heard_and_what_has_passed_since() -> None:
    hand = HandClock()
    clock = DatabaseClock(monotonic=hand)
    clock.sync(NOON)

    hand.seconds += 2.5

    assert clock() == NOON + timedelta(seconds=2.5)


def test_it_believes_the_last_that_it_heard_also_when_that_is_earlier() -> None:
    hand = HandClock()
    clock = DatabaseClock(monotonic=hand)
    clock.sync(NOON)
    hand.seconds += 60

    clock.sync(NOON + timedelta(seconds=1))

    assert clock() == NOON + timedelta(seconds=1)


def test_before_it_has_heard_anything_it_tells_this_hosts_time() -> None:
    before = datetime.now(UTC)

    told = DatabaseClock(monotonic=HandClock())()

    assert before <= told <= datetime.now(UTC)


def test_a_host_whose_wall_clock_is_wrong_still_tells_the_databases_time() -> None:
    clock = DatabaseClock(monotonic=HandClock())
    long_ago = NOON - timedelta(days=365)

    clock.sync(long_ago)

    assert clock() == long_ago
